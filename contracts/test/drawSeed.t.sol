// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DrawSeed} from "../src/libraries/DrawSeed.sol";
import {Headers} from "./support/Headers.sol";
import {History} from "./support/History.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {Probe} from "./support/Probe.sol";
import {vm} from "./support/Vm.sol";

/*
DrawSeed.read [S2]
├── given the header of the block, whatever its fields' widths → returns its prevRandao
├── given any other bytes                                      → reverts WrongHeader
├── given a block that EIP-2935 alone remembers                → the same
└── given a block whose hash is gone                           → says so, whatever the header
*/
contract DrawSeedTest is MarketTest {
    Probe private probe;

    function setUp() public override {
        super.setUp();
        probe = new Probe();
    }

    function test_read_anyHeader_returnsItsPrevRandao_S2(
        uint64 number,
        bytes32 prevRandao,
        uint256 extraLength
    ) external {
        number = uint64(bounded(number, 0, 2 ** 48));
        bytes memory extraData = new bytes(extraLength % 400);
        bytes memory header = Headers.encode(number, prevRandao, extraData);
        vm.roll(uint256(number) + 1);
        vm.setBlockhash(number, keccak256(header));
        assertSeed(number, header, prevRandao);
    }

    /// @dev Single bytes, and lengths on both sides of the encoding's turning points.
    function test_read_turningPointsOfTheEncoding_returnsPrevRandao_S2() external {
        uint16[8] memory lengths = [0, 1, 32, 54, 55, 56, 255, 256];
        uint8[4] memory numbers = [0, 1, 127, 128];
        for (uint256 i = 0; i < lengths.length; ++i) {
            for (uint256 k = 0; k < numbers.length; ++k) {
                bytes32 randao = keccak256(abi.encode(i, k));
                bytes memory header = Headers.encode(numbers[k], randao, new bytes(lengths[i]));
                vm.roll(uint256(numbers[k]) + 1);
                vm.setBlockhash(numbers[k], keccak256(header));
                assertSeed(numbers[k], header, randao);
            }
        }
    }

    function test_read_otherBytes_reverts_S2(bytes calldata other) external {
        bytes32 expected = keccak256(Headers.encode(START_BLOCK - 1, 0));
        vm.setBlockhash(START_BLOCK - 1, expected);
        vm.assume(keccak256(other) != expected);
        vm.expectRevert(
            abi.encodeWithSelector(
                DrawSeed.WrongHeader.selector,
                START_BLOCK - 1,
                expected,
                keccak256(other)
            )
        );
        probe.seedOf(START_BLOCK - 1, other);
    }

    // ─── Older than 256 blocks [S4] ──────────────────────────────────────────────────────────

    /// @dev Without EIP-2935 a chain keeps no hashes beyond the last 256 blocks.
    function test_read_olderThan256BlocksWithoutHistory_isUnknown_S4() external {
        bytes memory header = headerOf(START_BLOCK - 1, "seed");
        vm.roll(START_BLOCK - 1 + 256);
        assertSeed(START_BLOCK - 1, header, "seed");
        vm.roll(START_BLOCK - 1 + 257);
        assertUnknown(START_BLOCK - 1, header);
    }

    function test_read_upTo8191BlocksWithHistory_returnsPrevRandao_S4() external {
        bytes memory header = Headers.encode(START_BLOCK, "seed");
        History.install();
        History.remember(START_BLOCK, keccak256(header));
        vm.roll(START_BLOCK + 257);
        assertSeed(START_BLOCK, header, "seed");
        vm.roll(START_BLOCK + 8191);
        assertSeed(START_BLOCK, header, "seed");
        vm.roll(START_BLOCK + 8192);
        assertUnknown(START_BLOCK, header);
    }

    function test_read_otherBytesWithHistory_reverts_S2(bytes calldata other) external {
        bytes32 expected = keccak256(Headers.encode(START_BLOCK, "seed"));
        vm.assume(keccak256(other) != expected);
        History.install();
        History.remember(START_BLOCK, expected);
        vm.roll(START_BLOCK + 1_000);
        vm.expectRevert(
            abi.encodeWithSelector(
                DrawSeed.WrongHeader.selector,
                START_BLOCK,
                expected,
                keccak256(other)
            )
        );
        probe.seedOf(START_BLOCK, other);
    }

    /// @dev Whoever calls with so little gas that the history does not answer gets nowhere: nothing
    /// that a chain remembers is ever reported as unknown.
    function test_read_anyGasWithHistory_neverIsUnknown_S4(uint256 gasLimit) external {
        bytes memory header = Headers.encode(START_BLOCK, "seed");
        History.install();
        History.remember(START_BLOCK, keccak256(header));
        vm.roll(START_BLOCK + 1_000);
        gasLimit = bounded(gasLimit, 2_000, 20_000);
        try probe.seedOf{gas: gasLimit}(START_BLOCK, header) returns (bool isKnown, bytes32) {
            vm.assertTrue(isKnown, "a seed was hidden");
        } catch {}
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function assertSeed(uint256 number, bytes memory header, bytes32 expected) private view {
        (bool isKnown, bytes32 prevRandao) = probe.seedOf(number, header);
        vm.assertTrue(isKnown, "known");
        vm.assertEq(prevRandao, expected, "seed");
    }

    function assertUnknown(uint256 number, bytes memory header) private view {
        (bool isKnown, bytes32 prevRandao) = probe.seedOf(number, header);
        vm.assertFalse(isKnown, "known");
        vm.assertEq(prevRandao, 0, "seed");
    }
}
