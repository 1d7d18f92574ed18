// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Where peers find each other's content stores
/// @notice Who posts a job or registers a model says where its documents can be had.
/// @dev Nothing is stored or checked: what is fetched from there is held against its digest.
interface IAnnouncements {
    /// @notice An account said where it can be reached, as an IPFS multiaddress.
    event Announced(address indexed account, bytes message);

    /// @notice An announcement has 1 to `maximum` bytes.
    error InvalidAnnouncement(uint256 length, uint256 maximum);

    /// @notice Announces `message` in the caller's name. Open to all.
    /// @dev Throws InvalidAnnouncement. Emits Announced.
    function announce(bytes calldata message) external;
}
