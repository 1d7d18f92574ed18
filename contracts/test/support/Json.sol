// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {vm} from "./Vm.sol";

/// @notice Writes JSON: members and lists out of values that are JSON already.
library Json {
    function member(string memory name, string memory value) internal pure returns (string memory) {
        return string.concat(quoted(name), ": ", value);
    }

    function member(string memory name, uint256 value) internal pure returns (string memory) {
        return member(name, vm.toString(value));
    }

    function member(string memory name, bytes32 value) internal pure returns (string memory) {
        return member(name, quoted(vm.toString(value)));
    }

    function member(string memory name, address value) internal pure returns (string memory) {
        return member(name, quoted(vm.toString(value)));
    }

    function member(string memory name, bytes memory value) internal pure returns (string memory) {
        return member(name, quoted(vm.toString(value)));
    }

    function object(string[] memory members) internal pure returns (string memory) {
        return string.concat("{", joined(members, ", "), "}");
    }

    /// @dev One item a line, so that a change shows as few changed lines.
    function lines(string[] memory items) internal pure returns (string memory) {
        return string.concat("[\n    ", joined(items, ",\n    "), "\n  ]");
    }

    function list(bytes32[] memory items) internal pure returns (string memory) {
        string[] memory texts = new string[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            texts[i] = quoted(vm.toString(items[i]));
        }
        return string.concat("[", joined(texts, ", "), "]");
    }

    function list(address[] memory items) internal pure returns (string memory) {
        string[] memory texts = new string[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            texts[i] = quoted(vm.toString(items[i]));
        }
        return string.concat("[", joined(texts, ", "), "]");
    }

    function quoted(string memory text) internal pure returns (string memory) {
        return string.concat('"', text, '"');
    }

    function joined(
        string[] memory items,
        string memory separator
    ) internal pure returns (string memory text) {
        for (uint256 i = 0; i < items.length; ++i) {
            text = i == 0 ? items[0] : string.concat(text, separator, items[i]);
        }
    }
}
