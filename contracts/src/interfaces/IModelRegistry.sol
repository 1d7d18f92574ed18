// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ModelId, ModelSpec} from "../types/Model.sol";
import {IAnnouncements} from "./IAnnouncements.sol";

/// @title Models, addressed by their content
/// @notice Anyone registers; an id says exactly which weights, arithmetic and terms it stands for.
/// @dev Registration is harmless to others: workers opt in by opening seats for an id.
interface IModelRegistry is IAnnouncements {
    /// @notice A model exists from now on.
    event ModelRegistered(ModelId indexed modelId, address indexed registrant, ModelSpec spec);

    /// @notice Nothing is registered under this id.
    error UnknownModel(ModelId modelId);
    /// @notice The same spec has been registered before.
    error ModelAlreadyRegistered(ModelId modelId);
    /// @notice A field of the spec is zero that must not be.
    error InvalidModelSpec(ModelSpec spec);

    /// @notice Registers a model. Open to all, once per spec.
    /// @dev Throws InvalidModelSpec unless digest, profile, sizes, pace and price are non-zero,
    /// ModelAlreadyRegistered. Emits ModelRegistered.
    /// @return modelId `keccak256(abi.encode(spec))`.
    function registerModel(ModelSpec calldata spec) external returns (ModelId modelId);

    /// @notice The full spec. Throws UnknownModel.
    function specOf(ModelId modelId) external view returns (ModelSpec memory);

    /// @notice What a market needs to price and time a job. Throws UnknownModel.
    /// @return basePrice Units of the escrow token for a token at tick 0.
    /// @return msPerToken Milliseconds a token that a worker may take.
    function termsOf(ModelId modelId) external view returns (uint96 basePrice, uint32 msPerToken);
}
