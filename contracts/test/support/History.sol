// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";

/// @notice The system contract of EIP-2935, which the test's chain has only if it is installed.
library History {
    address private constant AT = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 private constant WINDOW = 8191;
    /// @dev The code that the EIP prescribes.
    bytes private constant CODE =
        hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611f"
        hex"ff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";

    function install() internal {
        vm.etch(AT, CODE);
    }

    function remember(uint256 number, bytes32 hash) internal {
        vm.store(AT, bytes32(number % WINDOW), hash);
    }
}
