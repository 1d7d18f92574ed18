// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId, JobParams} from "./Job.sol";
import {Outcome} from "./Outcome.sol";

/// @notice One commitment of a batch; the arguments of `commitResult`.
struct CommitEntry {
    JobId jobId;
    uint256 place;
    bytes32 commitment;
}

/// @notice One reveal of a batch; the arguments of `revealResult`.
struct RevealEntry {
    JobParams params;
    uint256 place;
    Outcome outcome;
    bytes32 salt;
}

/// @notice An EIP-2612 permit for the marketplace, signed by the requester.
/// @param value Allowance in units of the escrow token.
/// @param deadline Last second in which it is valid.
struct PermitSignature {
    uint256 value;
    uint256 deadline;
    uint8 v;
    bytes32 r;
    bytes32 s;
}
