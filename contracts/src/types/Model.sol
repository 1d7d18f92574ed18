// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice Identity of a model: `keccak256(abi.encode(ModelSpec))`.
type ModelId is bytes32;

/// @notice Everything that makes a model what it is, and its terms of trade.
/// @param packageDigest SHA-256 inside the CIDv0 of the model package's folder.
/// @param weightsRoot Merkle root of weights and tables; zero where the profile has none.
/// @param profile Name of the arithmetic, ASCII, left-aligned, zero-padded.
/// @param vocabSize Number of token ids.
/// @param contextLength Most tokens of a prompt and its answer together.
/// @param msPerToken Pace that a seat's owner signs up to, in milliseconds a token.
/// @param basePrice Price of a token at tick 0, in units of the escrow token.
struct ModelSpec {
    bytes32 packageDigest;
    bytes32 weightsRoot;
    bytes32 profile;
    uint32 vocabSize;
    uint32 contextLength;
    uint32 msPerToken;
    uint96 basePrice;
}
