// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ITransferHook} from "./HostileTokens.sol";

/// @notice An account that is a contract: makes any call as itself, and one more call from inside
/// the next transfer that its token tells it of.
contract ReentrantAccount is ITransferHook {
    address private _target;
    bytes private _callData;

    bool public hasReentered;
    bool public hasSucceeded;
    bytes public answer;

    function call(address target, bytes calldata callData) external returns (bytes memory) {
        return _forward(target, callData);
    }

    function reenterWith(address target, bytes calldata callData) external {
        (_target, _callData) = (target, callData);
    }

    function onTransfer() external {
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        hasReentered = true;
        (hasSucceeded, answer) = target.call(_callData);
    }

    function _forward(address target, bytes calldata callData) private returns (bytes memory) {
        (bool isDone, bytes memory result) = target.call(callData);
        if (isDone) return result;
        assembly ("memory-safe") {
            revert(add(result, 0x20), mload(result))
        }
    }
}

/// @notice An account that refuses to be told of transfers.
contract RevertingAccount is ITransferHook {
    error NotListening();

    function onTransfer() external pure {
        revert NotListening();
    }
}
