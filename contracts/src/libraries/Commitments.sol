// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobId} from "../types/Job.sol";

/// @notice The binding, hiding hash that a worker commits to before anyone reveals.
/// @dev Bound to chain, contract, job, round and worker, so that it can be neither copied nor
/// replayed; the salt hides outcomes of few possible values.
library Commitments {
    bytes32 internal constant DOMAIN = keccak256("assay.commitment.v1");

    /// @param outcomeHash `keccak256(abi.encode(Outcome))`.
    function hash(
        JobId jobId,
        uint256 round,
        address worker,
        bytes32 outcomeHash,
        bytes32 salt
    ) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    DOMAIN,
                    block.chainid,
                    address(this),
                    jobId,
                    round,
                    worker,
                    outcomeHash,
                    salt
                )
            );
    }
}
