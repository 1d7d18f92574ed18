// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {ModelId, ModelSpec} from "../src/types/Model.sol";
import {aModel} from "./support/Builders.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
registerModel
├── given a field of zero other than weightsRoot → reverts InvalidModelSpec
├── given a spec registered before, by anyone    → reverts ModelAlreadyRegistered
└── given a new spec                             → emits ModelRegistered, returns its hash
specOf, termsOf
├── given an unknown id                          → reverts UnknownModel
└── given a registered id                        → returns what was registered
*/
contract RegisterModelTest is MarketTest {
    function test_registerModel_newSpec_emitsAndReturnsItsHash(ModelSpec memory spec) external {
        spec.msPerToken = uint32(bounded(spec.msPerToken, 1, 60_000));
        vm.assume(isComplete(spec));
        ModelId expected = ModelId.wrap(keccak256(abi.encode(spec)));

        vm.expectEmit(address(registry));
        emit IModelRegistry.ModelRegistered(expected, stranger, spec);
        vm.prank(stranger);
        ModelId actual = registry.registerModel(spec);

        vm.assertEq(ModelId.unwrap(actual), ModelId.unwrap(expected), "model id");
        vm.assertEq(abi.encode(registry.specOf(actual)), abi.encode(spec), "spec");
        (uint256 basePrice, uint256 msPerToken) = registry.termsOf(actual);
        vm.assertEq(basePrice, spec.basePrice, "base price");
        vm.assertEq(msPerToken, spec.msPerToken, "pace");
    }

    function test_registerModel_fieldOfZero_reverts() external {
        for (uint256 field = 0; field < 6; ++field) {
            ModelSpec memory spec = aModel();
            if (field == 0) spec.packageDigest = 0;
            if (field == 1) spec.profile = 0;
            if (field == 2) spec.vocabSize = 0;
            if (field == 3) spec.contextLength = 0;
            if (field == 4) spec.msPerToken = 0;
            if (field == 5) spec.basePrice = 0;
            vm.expectRevert(abi.encodeWithSelector(IModelRegistry.InvalidModelSpec.selector, spec));
            registry.registerModel(spec);
        }
    }

    function test_registerModel_sameSpecAgain_reverts() external {
        expectRegistered();
        registry.registerModel(aModel());
        expectRegistered();
        vm.prank(stranger);
        registry.registerModel(aModel());
    }

    function test_registerModel_oneBitChanged_isAnotherModel() external {
        ModelSpec memory spec = aModel();
        spec.weightsRoot = bytes32(uint256(1));
        ModelId other = registry.registerModel(spec);
        vm.assertNotEq(ModelId.unwrap(other), ModelId.unwrap(modelId), "model id");
    }

    function test_specOf_unknownModel_reverts(bytes32 id) external {
        vm.assume(id != ModelId.unwrap(modelId));
        expectUnknown(ModelId.wrap(id));
        registry.specOf(ModelId.wrap(id));
    }

    function test_termsOf_unknownModel_reverts(bytes32 id) external {
        vm.assume(id != ModelId.unwrap(modelId));
        expectUnknown(ModelId.wrap(id));
        registry.termsOf(ModelId.wrap(id));
    }

    function isComplete(ModelSpec memory spec) private pure returns (bool) {
        return
            spec.packageDigest != 0 &&
            spec.profile != 0 &&
            spec.vocabSize != 0 &&
            spec.contextLength != 0 &&
            spec.msPerToken != 0 &&
            spec.basePrice != 0;
    }

    function expectRegistered() private {
        vm.expectRevert(
            abi.encodeWithSelector(IModelRegistry.ModelAlreadyRegistered.selector, modelId)
        );
    }

    function expectUnknown(ModelId id) private {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, id));
    }
}
