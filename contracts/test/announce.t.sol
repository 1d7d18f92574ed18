// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAnnouncements} from "../src/interfaces/IAnnouncements.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
announce [D3], of the marketplace and of the registry
├── given nothing, or more than 512 bytes → reverts InvalidAnnouncement
└── given 1 to 512 bytes                  → emits Announced in the caller's name
*/
contract AnnounceTest is MarketTest {
    uint256 private constant MOST = 512;

    function test_announce_anyMessage_emitsAnnounced_D3(bytes calldata message) external {
        vm.assume(message.length != 0 && message.length <= MOST);
        expectAnnounced(market, message);
        expectAnnounced(registry, message);
    }

    function test_announce_longestMessage_emitsAnnounced_D3() external {
        expectAnnounced(market, new bytes(MOST));
        expectAnnounced(registry, new bytes(MOST));
    }

    function test_announce_nothing_reverts() external {
        expectInvalid(market, "");
        expectInvalid(registry, "");
    }

    function test_announce_tooLong_reverts() external {
        expectInvalid(market, new bytes(MOST + 1));
        expectInvalid(registry, new bytes(MOST + 1));
    }

    function expectAnnounced(IAnnouncements place, bytes memory message) private {
        vm.expectEmit(address(place));
        emit IAnnouncements.Announced(stranger, message);
        vm.prank(stranger);
        place.announce(message);
    }

    function expectInvalid(IAnnouncements place, bytes memory message) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IAnnouncements.InvalidAnnouncement.selector,
                message.length,
                MOST
            )
        );
        place.announce(message);
    }
}
