// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IMarketplace} from "../../src/interfaces/IMarketplace.sol";
import {ISeats, SlashReason} from "../../src/interfaces/ISeats.sol";
import {JobParams, JobState} from "../../src/types/Job.sol";
import {Vm} from "./Vm.sol";

/// @notice The market's books, kept from its events alone. That they agree with the contract
/// shows two things: no unit moves without an event, and no event without its units.
contract Ledger {
    uint256 private immutable _bond;
    uint256 private immutable _bounty;
    address private immutable _sink;
    address private immutable _treasury;

    mapping(address account => uint256) public creditOf;
    mapping(uint256 seatId => uint256) public bondOf;
    mapping(bytes32 jobId => uint256) public escrowOf;
    mapping(bytes32 jobId => uint256) public escrowedOf;
    mapping(bytes32 jobId => address) public requesterOf;
    /// @notice What a job keeps after its end, for whoever delivers its result.
    mapping(bytes32 jobId => uint256) public keptOf;
    mapping(bytes32 jobId => JobState) public stateOf;
    mapping(bytes32 jobId => uint256) public roundOf;
    mapping(bytes32 jobId => bytes32) public acceptedOf;
    mapping(bytes32 jobId => bytes32) public transcriptOf;
    mapping(uint256 seatId => address) public ownerOf;
    mapping(address account => uint256) public postedBy;
    uint256 public tokens;
    uint256 public credits;
    uint256 public bonds;
    uint256 public escrows;

    /// @notice How often each kind of event was seen.
    mapping(bytes32 topic => uint256) public seen;
    mapping(JobState state => uint256) public ended;
    mapping(SlashReason reason => uint256) public slashes;

    error BooksDoNotBalance(bytes32 topic, bytes32 subject, uint256 left);

    constructor(uint256 bond, uint256 bounty, address sink, address treasury) {
        (_bond, _bounty, _sink, _treasury) = (bond, bounty, sink, treasury);
    }

    function book(Vm.Log[] calldata logs, address market) external {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].emitter == market) _book(logs[i]);
        }
    }

    function _book(Vm.Log calldata log) private {
        bytes32 topic = log.topics[0];
        ++seen[topic];
        if (topic == ISeats.StakeDeposited.selector) {
            uint256 amount = abi.decode(log.data, (uint256));
            tokens += amount;
            _credit(_account(log, 1), amount);
        } else if (topic == ISeats.Withdrawn.selector) {
            uint256 amount = abi.decode(log.data, (uint256));
            tokens -= amount;
            _debit(_account(log, 1), amount);
        } else if (topic == IMarketplace.WorkerPaid.selector) {
            _payFromEscrow(log.topics[1], _account(log, 2), abi.decode(log.data, (uint256)));
        } else if (topic == IMarketplace.BountyPaid.selector) {
            _payFromEscrow(log.topics[1], _account(log, 2), abi.decode(log.data, (uint256)));
        } else {
            _bookSeat(log, topic);
            _bookJob(log, topic);
            _bookRound(log, topic);
        }
    }

    function _bookSeat(Vm.Log calldata log, bytes32 topic) private {
        if (topic == ISeats.SeatOpened.selector) {
            _debit(_account(log, 2), _bond);
            ownerOf[uint256(log.topics[1])] = _account(log, 2);
            bondOf[uint256(log.topics[1])] += _bond;
            bonds += _bond;
        } else if (topic == ISeats.SeatSlashed.selector) {
            (SlashReason reason, uint256 amount) = abi.decode(log.data, (SlashReason, uint256));
            ++slashes[reason];
            _takeBond(uint256(log.topics[3]), _sink, amount);
        } else if (topic == ISeats.SeatClosed.selector) {
            uint256 seatId = uint256(log.topics[1]);
            _takeBond(seatId, _account(log, 2), abi.decode(log.data, (uint256)));
            ownerOf[seatId] = address(0);
            uint256 left = bondOf[seatId];
            if (left != 0) revert BooksDoNotBalance(topic, bytes32(seatId), left);
        }
    }

    function _bookJob(Vm.Log calldata log, bytes32 topic) private {
        bytes32 jobId = log.topics[1];
        if (topic == IMarketplace.JobPosted.selector) {
            (JobParams memory job, uint256 escrowed) = abi.decode(log.data, (JobParams, uint256));
            keptOf[jobId] = job.callback == address(0) ? 0 : _bounty;
            _bookPosted(jobId, _account(log, 2), escrowed);
        } else if (topic == IMarketplace.JobCancelled.selector) {
            ++ended[JobState.Cancelled];
            stateOf[jobId] = JobState.Cancelled;
            _payFromEscrow(jobId, requesterOf[jobId], abi.decode(log.data, (uint256)));
            _expectLeft(topic, jobId, 0);
        } else if (topic == IMarketplace.JobSettled.selector) {
            (JobState state, uint256 paid, uint256 refunded, uint256 fee, bytes32 transcript) = abi
                .decode(log.data, (JobState, uint256, uint256, uint256, bytes32));
            ++ended[state];
            (stateOf[jobId], transcriptOf[jobId]) = (state, transcript);
            if (paid + refunded + fee != escrowedOf[jobId]) {
                revert BooksDoNotBalance(topic, jobId, paid + refunded + fee);
            }
            _payFromEscrow(jobId, requesterOf[jobId], refunded);
            _payFromEscrow(jobId, _treasury, fee);
            _expectLeft(topic, jobId, keptOf[jobId]);
        } else if (topic == IMarketplace.ResultDelivered.selector) {
            _expectLeft(topic, jobId, 0);
        }
    }

    /// @dev Where a job stands, as far as transactions decide it.
    function _bookRound(Vm.Log calldata log, bytes32 topic) private {
        bytes32 jobId = log.topics[1];
        if (topic == IMarketplace.DrawArmed.selector) {
            (roundOf[jobId], , , ) = abi.decode(log.data, (uint256, uint256, uint256, uint256));
            stateOf[jobId] = JobState.Open;
        } else if (topic == IMarketplace.CommitteeDrawn.selector) {
            stateOf[jobId] = JobState.Committing;
        } else if (topic == IMarketplace.RevealOpened.selector) {
            stateOf[jobId] = JobState.Revealing;
        } else if (topic == IMarketplace.ResultAccepted.selector) {
            (, acceptedOf[jobId]) = abi.decode(log.data, (uint256, bytes32));
        }
    }

    /// @dev Credit first, the rest in tokens.
    function _bookPosted(bytes32 jobId, address requester, uint256 escrowed) private {
        uint256 credit = creditOf[requester];
        uint256 fromCredit = credit < escrowed ? credit : escrowed;
        _debit(requester, fromCredit);
        tokens += escrowed - fromCredit;
        ++postedBy[requester];
        requesterOf[jobId] = requester;
        escrowedOf[jobId] = escrowed;
        escrowOf[jobId] = escrowed;
        escrows += escrowed;
    }

    function _expectLeft(bytes32 topic, bytes32 jobId, uint256 expected) private view {
        if (escrowOf[jobId] != expected) revert BooksDoNotBalance(topic, jobId, escrowOf[jobId]);
    }

    function _payFromEscrow(bytes32 jobId, address account, uint256 amount) private {
        escrowOf[jobId] -= amount;
        escrows -= amount;
        _credit(account, amount);
    }

    function _takeBond(uint256 seatId, address account, uint256 amount) private {
        bondOf[seatId] -= amount;
        bonds -= amount;
        _credit(account, amount);
    }

    function _credit(address account, uint256 amount) private {
        creditOf[account] += amount;
        credits += amount;
    }

    function _debit(address account, uint256 amount) private {
        creditOf[account] -= amount;
        credits -= amount;
    }

    function _account(Vm.Log calldata log, uint256 topic) private pure returns (address) {
        return address(uint160(uint256(log.topics[topic])));
    }
}
