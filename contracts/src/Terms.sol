// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Seats} from "./Seats.sol";
import {IMarketplace, MarketConfig} from "./interfaces/IMarketplace.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {JobParams} from "./types/Job.sol";
import {Rounds} from "./types/RoundWord.sol";

/// @title Terms
/// @dev What a deployment allows, and what a job costs and takes under it. Settings never change.
abstract contract Terms is IMarketplace, Seats {
    uint256 private constant MS_PER_SECOND = 1000;
    uint256 private constant MAX_FEE_BPS = 2_000;
    uint256 private constant MAX_ROUNDS = 2;
    uint256 private constant MAX_COMMIT_SECONDS = 30 days;
    uint256 private constant MAX_CALLBACK_GAS = 10_000_000;
    /// @dev The seed's header is read by its hash, which EIP-2935 keeps for so many blocks.
    uint256 private constant MAX_DRAW_DEADLINE_BLOCKS = 8191;
    /// @dev Places that a further round has more than the one before.
    uint256 private constant PLACES_ADDED = 2;

    address internal immutable _treasury;
    uint256 internal immutable _baseFee;
    uint256 internal immutable _bounty;
    uint256 internal immutable _feeBps;
    uint256 private immutable _noShowBps;
    uint256 private immutable _maxRedundancy;
    uint256 private immutable _maxRounds;
    uint256 private immutable _maxJobTokens;
    uint256 private immutable _maxCallbackGas;
    uint256 private immutable _commitFloorSeconds;
    uint256 internal immutable _revealWindowSeconds;

    constructor(
        MarketConfig memory settings
    )
        Seats(
            IERC20(settings.token),
            IModelRegistry(settings.registry),
            settings.sink,
            settings.seatBond,
            settings.noShowBps,
            settings.drawDeadlineBlocks
        )
    {
        if (!_isValid(settings)) revert InvalidConfig(settings);
        _treasury = settings.treasury;
        _baseFee = settings.baseFee;
        _bounty = settings.bounty;
        _feeBps = settings.feeBps;
        _noShowBps = settings.noShowBps;
        _maxRedundancy = settings.maxRedundancy;
        _maxRounds = settings.maxRounds;
        _maxJobTokens = settings.maxJobTokens;
        _maxCallbackGas = settings.maxCallbackGas;
        _commitFloorSeconds = settings.commitFloorSeconds;
        _revealWindowSeconds = settings.revealWindowSeconds;
    }

    /// @inheritdoc IMarketplace
    function config() external view returns (MarketConfig memory) {
        return
            MarketConfig({
                token: address(_token),
                registry: address(_registry),
                treasury: _treasury,
                sink: _sink,
                seatBond: uint96(_seatBond),
                baseFee: uint96(_baseFee),
                bounty: uint96(_bounty),
                feeBps: uint16(_feeBps),
                noShowBps: uint16(_noShowBps),
                maxRedundancy: uint8(_maxRedundancy),
                maxRounds: uint8(_maxRounds),
                maxJobTokens: uint32(_maxJobTokens),
                maxCallbackGas: uint32(_maxCallbackGas),
                commitFloorSeconds: uint32(_commitFloorSeconds),
                revealWindowSeconds: uint32(_revealWindowSeconds),
                drawDeadlineBlocks: uint32(_drawDeadlineBlocks)
            });
    }

    /// @inheritdoc IMarketplace
    function escrowOf(JobParams calldata params) public view returns (uint256) {
        (uint256 price, ) = _termsOf(params);
        return _escrow(params, price);
    }

    // ─── What a job may be ───────────────────────────────────────────────────────────────────

    function _checkParams(JobParams calldata params) internal view {
        if (params.promptsDigest == 0 || params.promptCount == 0) {
            revert InvalidPrompts(params.promptsDigest, params.promptCount);
        }
        if (params.tick >= TICKS) revert InvalidTick(params.tick);
        if (params.maxTokens == 0 || params.maxTokens > _maxJobTokens) {
            revert InvalidMaxTokens(params.maxTokens, _maxJobTokens);
        }
        // INVARIANT I14: redundancy is odd, so that a strict majority is one seat over half.
        if (params.redundancy % 2 == 0 || params.redundancy > _maxRedundancy) {
            revert InvalidRedundancy(params.redundancy, _maxRedundancy);
        }
        if (params.maxRounds == 0 || params.maxRounds > _maxRounds) {
            revert InvalidRounds(params.maxRounds, _maxRounds);
        }
        _checkCallback(params.callback, params.callbackGasLimit);
    }

    /// @dev Prices, windows and the roster: what depends on the model.
    /// @return escrowed What the job locks.
    function _checkTerms(JobParams calldata params) internal view returns (uint256 escrowed) {
        (uint256 price, uint256 msPerToken) = _termsOf(params);
        uint256 pay = _payOf(params, price);
        // INVARIANT I11: what a wrong answer can earn is never above what it can lose.
        if (pay > _seatBond) revert PayAboveBond(pay, _seatBond);
        // INVARIANT I17: every deadline fits its bits, whatever pace a model is registered with.
        uint256 commitSeconds = _commitSeconds(params, msPerToken);
        if (commitSeconds > MAX_COMMIT_SECONDS)
            revert WindowTooLong(commitSeconds, MAX_COMMIT_SECONDS);
        return _escrow(params, price);
    }

    // ─── What it costs and takes ─────────────────────────────────────────────────────────────

    function _termsOf(
        JobParams calldata params
    ) internal view returns (uint256 price, uint256 msPerToken) {
        (price, msPerToken) = _modelTerms(params.modelId);
        price <<= params.tick;
    }

    function _commitSeconds(
        JobParams calldata params,
        uint256 msPerToken
    ) internal view returns (uint256) {
        return _commitFloorSeconds + (params.maxTokens * msPerToken) / MS_PER_SECOND;
    }

    /// @dev Every seat's highest pay and two bounties in every round, one more for the delivery, and
    /// the fee on all of it.
    function _escrow(JobParams calldata params, uint256 price) internal view returns (uint256) {
        uint256 rounds = params.maxRounds;
        uint256 seats = rounds * params.redundancy + (rounds - 1) * PLACES_ADDED;
        uint256 bounties = 2 * rounds;
        if (params.callback != address(0)) ++bounties;
        uint256 most = seats * _payOf(params, price) + bounties * _bounty;
        return most + _feeOn(most);
    }

    function _feeOn(uint256 paid) internal view returns (uint256) {
        return (paid * _feeBps) / BPS;
    }

    /// @dev Size of a round's committee, vacant places counted.
    function _places(JobParams calldata params, uint256 round) internal pure returns (uint256) {
        return params.redundancy + (round - 1) * PLACES_ADDED;
    }

    /// @dev The strict majority of a committee's size, vacant places counted.
    function _quorum(uint256 places) internal pure returns (uint256) {
        return places / 2 + 1;
    }

    /// @dev The least roster that a round may be drawn from.
    function _requiredSeats(
        JobParams calldata params,
        uint256 places
    ) internal pure returns (uint256) {
        return params.minSeats > places ? params.minSeats : places;
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function _checkCallback(address callback, uint256 gasLimit) private view {
        bool isValid =
            callback == address(0) ? gasLimit == 0 : gasLimit != 0 && gasLimit <= _maxCallbackGas;
        if (!isValid) revert InvalidCallback(callback, gasLimit, _maxCallbackGas);
    }

    /// @dev The most that one seat can earn.
    function _payOf(JobParams calldata params, uint256 price) private view returns (uint256) {
        return _baseFee + params.maxTokens * price;
    }

    function _isValid(MarketConfig memory settings) private view returns (bool) {
        bool hasAddresses =
            settings.token.code.length != 0 &&
                settings.registry.code.length != 0 &&
                settings.treasury != address(0) &&
                settings.sink != address(0);
        // A job of one token must be possible: it pays more than the base fee, and no more than a bond.
        bool hasMoney =
            settings.baseFee < settings.seatBond &&
                settings.feeBps <= MAX_FEE_BPS &&
                settings.noShowBps <= BPS;
        return hasAddresses && hasMoney && _hasSizes(settings) && _hasTimes(settings);
    }

    function _hasSizes(MarketConfig memory settings) private pure returns (bool) {
        return
            settings.maxRedundancy % 2 == 1 &&
            settings.maxRedundancy <= Rounds.MAX_PLACES - PLACES_ADDED &&
            settings.maxRounds != 0 &&
            settings.maxRounds <= MAX_ROUNDS &&
            settings.maxJobTokens != 0 &&
            settings.maxCallbackGas <= MAX_CALLBACK_GAS;
    }

    function _hasTimes(MarketConfig memory settings) private pure returns (bool) {
        return
            settings.commitFloorSeconds != 0 &&
            settings.commitFloorSeconds <= MAX_COMMIT_SECONDS &&
            settings.revealWindowSeconds != 0 &&
            settings.drawDeadlineBlocks != 0 &&
            settings.drawDeadlineBlocks <= MAX_DRAW_DEADLINE_BLOCKS;
    }
}
