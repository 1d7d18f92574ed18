// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Announcements} from "./Announcements.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ModelId, ModelSpec} from "./types/Model.sol";

/// @title ModelRegistry
contract ModelRegistry is IModelRegistry, Announcements {
    mapping(ModelId modelId => ModelSpec) private _specs;

    /// @inheritdoc IModelRegistry
    function registerModel(ModelSpec calldata spec) external returns (ModelId modelId) {
        bool isComplete =
            spec.packageDigest != 0 &&
                spec.profile != 0 &&
                spec.vocabSize != 0 &&
                spec.contextLength != 0 &&
                spec.msPerToken != 0 &&
                spec.basePrice != 0;
        if (!isComplete) revert InvalidModelSpec(spec);
        modelId = ModelId.wrap(keccak256(abi.encode(spec)));
        if (_specs[modelId].basePrice != 0) revert ModelAlreadyRegistered(modelId);
        _specs[modelId] = spec;
        emit ModelRegistered(modelId, msg.sender, spec);
    }

    /// @inheritdoc IModelRegistry
    function specOf(ModelId modelId) external view returns (ModelSpec memory spec) {
        spec = _specs[modelId];
        if (spec.basePrice == 0) revert UnknownModel(modelId);
    }

    /// @inheritdoc IModelRegistry
    function termsOf(ModelId modelId) external view returns (uint96 basePrice, uint32 msPerToken) {
        ModelSpec storage spec = _specs[modelId];
        (basePrice, msPerToken) = (spec.basePrice, spec.msPerToken);
        if (basePrice == 0) revert UnknownModel(modelId);
    }
}
