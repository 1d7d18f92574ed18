// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {DrawSeed} from "../src/libraries/DrawSeed.sol";
import {Headers} from "./support/Headers.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {Probe} from "./support/Probe.sol";
import {vm} from "./support/Vm.sol";

/*
DrawSeed.read [S2]
├── given the header of the block, whatever its fields' widths → returns its prevRandao
├── given any other bytes                                      → reverts WrongHeader
└── given a block whose hash is gone                           → reverts WrongHeader
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
        vm.assertEq(probe.seedOf(number, header), prevRandao, "seed");
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
                vm.assertEq(probe.seedOf(numbers[k], header), randao, "seed");
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

    /// @dev This test's chain keeps no hashes beyond the last 256 blocks.
    function test_read_blockTooOld_reverts_S2() external {
        bytes memory header = Headers.encode(START_BLOCK, 0);
        vm.roll(START_BLOCK + 257);
        vm.expectRevert(
            abi.encodeWithSelector(
                DrawSeed.WrongHeader.selector,
                START_BLOCK,
                bytes32(0),
                keccak256(header)
            )
        );
        probe.seedOf(START_BLOCK, header);
    }
}
