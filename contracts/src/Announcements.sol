// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IAnnouncements} from "./interfaces/IAnnouncements.sol";

/// @title Announcements
abstract contract Announcements is IAnnouncements {
    uint256 private constant MAX_ANNOUNCEMENT = 512;

    /// @inheritdoc IAnnouncements
    function announce(bytes calldata message) external {
        if (message.length == 0 || message.length > MAX_ANNOUNCEMENT) {
            revert InvalidAnnouncement(message.length, MAX_ANNOUNCEMENT);
        }
        emit Announced(msg.sender, message);
    }
}
