// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IInferenceConsumer} from "../../src/interfaces/IInferenceConsumer.sol";
import {JobId, JobState} from "../../src/types/Job.sol";
import {Outcome} from "../../src/types/Outcome.sol";

/// @notice Notes how it was called and with how much gas.
contract ListeningCallback is IInferenceConsumer {
    uint256 public calls;
    uint256 public gasAtStart;
    address public caller;
    JobId public jobId;
    JobState public state;
    bytes32 public outcomeHash;

    function onInference(JobId id, JobState ended, Outcome calldata outcome) external {
        gasAtStart = gasleft();
        ++calls;
        (caller, jobId, state) = (msg.sender, id, ended);
        outcomeHash = keccak256(abi.encode(outcome));
    }
}

/// @notice Uses up all gas it gets.
contract BurningCallback is IInferenceConsumer {
    uint256 private _counter;

    function onInference(JobId, JobState, Outcome calldata) external {
        while (true) {
            ++_counter;
        }
    }
}

/// @notice Reverts, with as much data as its gas buys.
contract RevertingCallback is IInferenceConsumer {
    uint256 private immutable _bytes;

    constructor(uint256 bytes_) {
        _bytes = bytes_;
    }

    function onInference(JobId, JobState, Outcome calldata) external view {
        uint256 size = _bytes;
        assembly ("memory-safe") {
            revert(0, size)
        }
    }
}

/// @notice Succeeds, and returns data that nobody asked for.
contract ReturningCallback is IInferenceConsumer {
    uint256 private immutable _bytes;

    constructor(uint256 bytes_) {
        _bytes = bytes_;
    }

    function onInference(JobId, JobState, Outcome calldata) external view {
        uint256 size = _bytes;
        assembly ("memory-safe") {
            return(0, size)
        }
    }
}

/// @notice Calls back into the marketplace.
contract ReentrantCallback is IInferenceConsumer {
    bytes private _callData;
    bool public hasSucceeded;
    bytes public answer;

    function reenterWith(bytes calldata callData) external {
        _callData = callData;
    }

    function onInference(JobId, JobState, Outcome calldata) external {
        (hasSucceeded, answer) = msg.sender.call(_callData);
    }
}
