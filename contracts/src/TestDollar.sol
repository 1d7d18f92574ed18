// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title TestDollar
/// @notice A worthless six-decimal token for development chains: anyone mints, up to a limit a call.
contract TestDollar is ERC20, ERC20Permit {
    /// @notice Most units that one call of the faucet mints: a million test dollars.
    uint256 public constant FAUCET_LIMIT = 1e12;

    /// @notice More was asked for than one call gives.
    error FaucetLimitExceeded(uint256 amount, uint256 limit);

    constructor() ERC20("Assay Test Dollar", "ATD") ERC20Permit("Assay Test Dollar") {}

    /// @notice Mints `amount` units to the caller. Throws FaucetLimitExceeded.
    function faucet(uint256 amount) external {
        if (amount > FAUCET_LIMIT) revert FaucetLimitExceeded(amount, FAUCET_LIMIT);
        _mint(msg.sender, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
