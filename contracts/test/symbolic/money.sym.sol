// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Marketplace} from "../../src/Marketplace.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {TestDollar} from "../../src/TestDollar.sol";
import {MarketConfig} from "../../src/interfaces/IMarketplace.sol";
import {JobParams} from "../../src/types/Job.sol";

/// @dev The marketplace with its sums laid open.
contract OpenMarket is Marketplace {
    constructor(MarketConfig memory settings) Marketplace(settings) {}

    function escrow(JobParams calldata params, uint256 price) external view returns (uint256) {
        return _escrow(params, price);
    }

    function feeOn(uint256 paid) external view returns (uint256) {
        return _feeOn(paid);
    }

    function credit(address account, uint256 amount) external {
        _credit(account, amount);
    }

    function debit(address account, uint256 amount) external {
        _debit(account, amount);
    }
}

/*
Sums of money, for every amount.
├── escrow → is the most that a job can pay, and the fee on it
├── credit → what is credited can be taken, once; nobody else's changes
└── debit  → never more than there is
*/
contract SymbolicMoney {
    uint96 private constant BASE_FEE = 20_000;
    uint96 private constant BOUNTY = 10_000;
    uint16 private constant FEE_BPS = 100;

    OpenMarket private _market;

    function setUp() external {
        MarketConfig memory settings = MarketConfig({
            token: address(new TestDollar()),
            registry: address(new ModelRegistry()),
            treasury: address(0x7ea),
            sink: address(0xdead),
            seatBond: 50_000_000,
            baseFee: BASE_FEE,
            bounty: BOUNTY,
            feeBps: FEE_BPS,
            noShowBps: 1_000,
            maxRedundancy: 7,
            maxRounds: 2,
            maxJobTokens: 262_144,
            maxCallbackGas: 1_000_000,
            commitFloorSeconds: 10,
            revealWindowSeconds: 60,
            drawDeadlineBlocks: 256
        });
        _market = new OpenMarket(settings);
    }

    /// @dev Two rounds of three and five, every member paid for all tokens, and every bounty.
    function check_escrow_coversTheDearestJob(uint32 maxTokens, uint8 tick) external view {
        if (tick > 7) return;
        uint256 price = uint256(2) << tick;
        JobParams memory params;
        (params.maxTokens, params.redundancy, params.maxRounds) = (maxTokens, 3, 2);
        params.callback = address(1);
        uint256 paid = 8 * (BASE_FEE + maxTokens * price) + 5 * uint256(BOUNTY);
        assert(_market.escrow(params, price) == paid + _market.feeOn(paid));
    }

    function check_escrow_ofOneRoundIsExact(uint32 maxTokens, uint8 tick) external view {
        if (tick > 7) return;
        uint256 price = uint256(2) << tick;
        JobParams memory params;
        (params.maxTokens, params.redundancy, params.maxRounds) = (maxTokens, 3, 1);
        uint256 most = 3 * (BASE_FEE + maxTokens * price) + 2 * uint256(BOUNTY);
        assert(_market.escrow(params, price) == most + _market.feeOn(most));
    }

    function check_credit_isTakenOnce(
        address account,
        address other,
        uint96 amount,
        uint96 taken
    ) external {
        if (account == other) return;
        _market.credit(account, amount);
        assert(_market.creditOf(account) == amount && _market.creditOf(other) == 0);
        try _market.debit(account, taken) {
            assert(taken <= amount && _market.creditOf(account) == amount - taken);
        } catch {
            assert(taken > amount && _market.creditOf(account) == amount);
        }
        assert(_market.creditOf(other) == 0);
    }

    function check_credit_neverWraps(address account, uint96 amount, uint256 more) external {
        _market.credit(account, amount);
        try _market.credit(account, more) {
            assert(more <= type(uint96).max - amount);
            assert(_market.creditOf(account) == amount + more);
        } catch {
            assert(more > type(uint96).max - amount);
            assert(_market.creditOf(account) == amount);
        }
    }
}
