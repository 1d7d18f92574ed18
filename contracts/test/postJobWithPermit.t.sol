// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IMarketplace} from "../src/interfaces/IMarketplace.sol";
import {PermitSignature} from "../src/types/Calls.sol";
import {JobId, JobParams, JobState} from "../src/types/Job.sol";
import {JobBuilder} from "./support/Builders.sol";
import {VastToken} from "./support/HostileTokens.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

/*
postJobWithPermit [R7]; what is refused besides: postJob.t.sol
├── given another requester than the caller           → reverts NotRequester
├── given a permit of the requester's                 → takes the tokens it allows
├── given a permit that somebody has sent before      → posts all the same
├── given a permit that is worth nothing
│   ├── and an allowance or credit                    → posts all the same
│   └── and neither                                   → reverts with the token's error
└── given a token without permits, and an allowance   → posts all the same
*/
contract PostJobWithPermitTest is MarketTest {
    using JobBuilder for JobParams;

    uint256 private constant KEY = 0xA55A1;
    bytes32 private constant PERMIT = keccak256(
        "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    );

    address private signer;

    function setUp() public override {
        super.setUp();
        openWorkers(3);
        signer = vm.addr(KEY);
        vm.prank(signer);
        token.faucet(10 * JOB_ESCROW);
    }

    function test_postJobWithPermit_ownPermit_posts() external {
        JobParams memory job = aJob().by(signer);
        PermitSignature memory permit = signed(KEY, JOB_ESCROW);
        vm.prank(signer);
        JobId jobId = market.postJobWithPermit(job, permit);
        assertState(jobId, JobState.Open);
        vm.assertEq(token.balanceOf(signer), 9 * JOB_ESCROW, "tokens");
        vm.assertEq(token.allowance(signer, address(market)), 0, "allowance left");
        vm.assertEq(market.accountOf(signer).posted, 1, "posted");
    }

    /// @dev A permit is public once sent; who sends it first spoils nothing.
    function test_postJobWithPermit_sentByAnotherFirst_posts_R7() external {
        PermitSignature memory permit = signed(KEY, JOB_ESCROW);
        vm.prank(stranger);
        token.permit(
            signer,
            address(market),
            permit.value,
            permit.deadline,
            permit.v,
            permit.r,
            permit.s
        );
        vm.prank(signer);
        JobId jobId = market.postJobWithPermit(aJob().by(signer), permit);
        assertState(jobId, JobState.Open);
    }

    function test_postJobWithPermit_worthlessButAllowed_posts_R7() external {
        PermitSignature memory permit = signed(KEY + 1, JOB_ESCROW);
        vm.startPrank(signer);
        token.approve(address(market), JOB_ESCROW);
        assertState(market.postJobWithPermit(aJob().by(signer), permit), JobState.Open);
        vm.stopPrank();
    }

    function test_postJobWithPermit_worthlessAndNothingElse_reverts() external {
        PermitSignature memory permit = signed(KEY + 1, JOB_ESCROW);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector,
                address(market),
                0,
                JOB_ESCROW
            )
        );
        vm.prank(signer);
        market.postJobWithPermit(aJob().by(signer), permit);
    }

    /// @dev With another's signature nobody posts in another's name, and takes nobody's tokens.
    function test_postJobWithPermit_anothersPermit_reverts_R7() external {
        PermitSignature memory permit = signed(KEY, JOB_ESCROW);
        vm.expectRevert(
            abi.encodeWithSelector(IMarketplace.NotRequester.selector, signer, stranger)
        );
        vm.prank(stranger);
        market.postJobWithPermit(aJob().by(signer), permit);
    }

    function test_postJobWithPermit_tokenWithoutPermits_posts_R7() external {
        VastToken plain = new VastToken();
        useMarket(marketWith(address(plain)));
        for (uint256 i = 0; i < 3; ++i) {
            giveAndAllow(plain, aWorker(i), BOND);
            vm.startPrank(aWorker(i));
            market.deposit(BOND);
            market.openSeats(modelId, 0, 1);
            vm.stopPrank();
        }
        giveAndAllow(plain, signer, JOB_ESCROW);
        PermitSignature memory permit = signed(KEY, JOB_ESCROW);
        vm.prank(signer);
        JobId jobId = market.postJobWithPermit(aJob().by(signer), permit);
        assertState(jobId, JobState.Open);
    }

    // ─── Private ─────────────────────────────────────────────────────────────────────────────

    function signed(uint256 key, uint256 value) private view returns (PermitSignature memory) {
        uint256 deadline = vm.getBlockTimestamp();
        bytes32 hash = keccak256(
            abi.encode(PERMIT, signer, address(market), value, token.nonces(signer), deadline)
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return PermitSignature(value, deadline, v, r, s);
    }

    function giveAndAllow(VastToken plain, address account, uint256 amount) private {
        plain.mint(account, amount);
        vm.prank(account);
        plain.approve(address(market), amount);
    }
}
