// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Writes block headers in RLP, independently of the decoder under test.
/// @dev Recursive-length prefix: Ethereum yellow paper, appendix B. Fields: Prague.
library Headers {
    /// @notice A header with every field of a Prague block.
    function encode(uint256 number, bytes32 prevRandao) internal pure returns (bytes memory) {
        return encode(number, prevRandao, "assay");
    }

    /// @notice With other extra data, which some chains make long.
    function encode(
        uint256 number,
        bytes32 prevRandao,
        bytes memory extraData
    ) internal pure returns (bytes memory) {
        bytes memory body = bytes.concat(
            origin(number),
            roots(),
            counts(number, extraData),
            word(prevRandao),
            tail()
        );
        return bytes.concat(prefix(body.length, 0xc0), body);
    }

    function origin(uint256 number) private pure returns (bytes memory) {
        bytes32 noOmmers = keccak256(hex"c0");
        bytes memory coinbase = abi.encodePacked(address(0xBEEF));
        return
            bytes.concat(
                word(keccak256(abi.encode("parent", number))),
                word(noOmmers),
                text(coinbase)
            );
    }

    /// @dev State, transactions, receipts, and the logs' bloom filter.
    function roots() private pure returns (bytes memory) {
        return
            bytes.concat(
                word(keccak256("state")),
                word(keccak256("transactions")),
                word(keccak256("receipts")),
                text(new bytes(256))
            );
    }

    /// @dev Difficulty, number, gas limit, gas used, time, extra data.
    function counts(uint256 number, bytes memory extraData) private pure returns (bytes memory) {
        bytes memory time = integer(1_700_000_000 + number);
        bytes memory gasFields = bytes.concat(integer(30_000_000), integer(21_000));
        return bytes.concat(integer(0), integer(number), gasFields, time, text(extraData));
    }

    /// @dev Nonce, then what London, Shanghai, Cancun and Prague added.
    function tail() private pure returns (bytes memory) {
        bytes memory blobGas = bytes.concat(integer(0), integer(0));
        bytes memory cancun = bytes.concat(blobGas, word(keccak256("beacon root")));
        return
            bytes.concat(
                text(new bytes(8)),
                integer(1_000_000_000),
                word(keccak256("withdrawals")),
                cancun,
                word(keccak256("no requests"))
            );
    }

    function word(bytes32 value) private pure returns (bytes memory) {
        return text(abi.encodePacked(value));
    }

    function integer(uint256 value) private pure returns (bytes memory) {
        return text(bigEndian(value));
    }

    function text(bytes memory value) private pure returns (bytes memory) {
        if (value.length == 1 && uint8(value[0]) < 0x80) return value;
        return bytes.concat(prefix(value.length, 0x80), value);
    }

    function prefix(uint256 length, uint256 offset) private pure returns (bytes memory) {
        if (length < 56) return abi.encodePacked(uint8(offset + length));
        bytes memory size = bigEndian(length);
        return bytes.concat(abi.encodePacked(uint8(offset + 55 + size.length)), size);
    }

    /// @dev Shortest form: zero is empty.
    function bigEndian(uint256 value) private pure returns (bytes memory digits) {
        while (value != 0) {
            digits = bytes.concat(abi.encodePacked(uint8(value)), digits);
            value >>= 8;
        }
    }
}
