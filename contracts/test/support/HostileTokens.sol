// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token whose minting is free; the base of the others.
abstract contract FreeToken is ERC20("Hostile", "BAD") {
    function mint(address account, uint256 amount) external {
        _mint(account, amount);
    }
}

/// @notice Any supply, nothing hostile: for amounts beyond what the faucet gives.
contract VastToken is FreeToken {}

/// @notice Keeps one unit of every transfer.
contract FeeTakingToken is FreeToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0) && value != 0) super._update(to, address(1), 1);
    }
}

/// @notice Gives a bonus of one unit on every transfer.
contract GenerousToken is FreeToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) _mint(to, 1);
    }
}

/// @notice Moves nothing and says so by returning false, as some old tokens do.
contract FalseReturningToken is FreeToken {
    function transfer(address, uint256) public pure override returns (bool) {
        return false;
    }

    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return false;
    }
}

/// @notice Calls the sender before and the receiver after a transfer, as ERC-777 does with
/// accounts that asked for it.
contract HookToken is FreeToken {
    mapping(address account => bool) private _isListening;

    function listen(address account) external {
        _isListening[account] = true;
    }

    function _update(address from, address to, uint256 value) internal override {
        _notify(from);
        super._update(from, to, value);
        _notify(to);
    }

    function _notify(address account) private {
        if (_isListening[account]) ITransferHook(account).onTransfer();
    }
}

/// @notice Every transfer fails while it is paused.
contract PausableToken is FreeToken {
    error Paused();

    bool public isPaused;

    function pause() external {
        isPaused = true;
    }

    function unpause() external {
        isPaused = false;
    }

    function _update(address from, address to, uint256 value) internal override {
        if (isPaused) revert Paused();
        super._update(from, to, value);
    }
}

interface ITransferHook {
    function onTransfer() external;
}
