"""Random histories of requests. A step depends on a seed and on Kafka's answers so far, so both servers are asked the same."""

import random
from collections import Counter

import groups
import logs
import topics
import transactions
from compare import Situation, differences
from deviations import deviation
from protocol import messages

READS = {"Metadata", "DescribeConfigs", "DescribeTopicPartitions", "ListOffsets", "Fetch", "OffsetFetch", "DescribeGroups", "ListGroups", "DescribeCluster",
         "ConsumerGroupDescribe", "DescribeTransactions", "ListTransactions", "DescribeProducers", "FindCoordinator", "OffsetForLeaderEpoch",
         "ListPartitionReassignments", "ListConfigResources"}
ENDS = {"EndTxn", "InitProducerId"}  # of transactions: Kafka answers before the markers are in their partitions
LOOKS = 100  # how often Kafka alone is asked again when a read differs: its brokers learn of a change a little later, and we answer at once
APART = {"offsets outside transactions"}  # deviations after which the servers' states differ
STEPS = [*topics.STEPS, *logs.STEPS, *groups.STEPS, *transactions.STEPS]


class Model:
    """What a history knows of the servers: names in use, ids that Kafka gave."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.tag = f"{seed:x}"
        self.topics = [f"t{self.tag}-{letter}" for letter in "abc"]
        self.groups = [f"g{self.tag}-{letter}" for letter in "ab"]
        self.transactional = [f"x{self.tag}-{letter}" for letter in "ab"]
        self.topic_ids = {}  # name -> symbol
        self.producers = {}  # transactional id or None -> (producer id, epoch)
        self.sequences = {}  # (producer id, epoch, topic, partition) -> the next
        self.pending = set()  # groups where a client was told its member id and has not joined with it
        self.members = {}  # group -> (member id, generation or epoch)
        self.open = set()  # transactional ids with a transaction
        self.first_generation = set()  # (producer id, topic, partition) that a request from before KIP-890 wrote to, or tried to
        self.apart = False  # the servers' states differ, as is meant: more answers would say nothing

    def chance(self, one_in):
        return self.random.randrange(one_in) == 0

    def topic(self):
        return self.random.choice([*self.topics, *self.topics, *self.topics, "unknown"])

    def made(self, name):
        return name[1:].startswith(f"{self.tag}-") or name.startswith("nobody")

    def partition(self):
        return self.random.choice([0, 0, 0, 1, 1, 2, 7])

    def group(self):
        return self.random.choice(self.groups)


class History:
    """Asks both servers until their answers differ in a way that is not meant. `steps` is what was asked, `found` how the last one
    differed, `allowed` the differences that are meant."""

    def __init__(self, seed, kafka, ours, both_serve):
        self.model, self.kafka, self.ours, self.both_serve = Model(seed), kafka, ours, both_serve
        self.steps, self.found, self.allowed = [], [], Counter()
        for side in (kafka, ours):
            side.begin(self.model.made)

    def run(self, count):
        while len(self.steps) < count and not self.found and not self.model.apart:
            weights = [weight for weight, _ in STEPS]
            (_, step), = self.model.random.choices(STEPS, weights)
            asked = step(self.model)
            if asked:
                self.step(*asked)

    def version(self, api, at_least=0, at_most=99):
        (low, high), valid = self.both_serve[api], messages()[api][0].valid
        return self.model.random.randint(max(low, valid.first, at_least), min(high, valid.last, at_most))

    def step(self, api, values, learn=None, versions=(0, 99)):
        version = self.version(api, *versions)
        answers = [side.ask(api, version, values) for side in (self.kafka, self.ours)]
        situation = Situation(values, self.model, self.kafka)
        meant, self.found = judged(differences(api, version, *answers), situation)
        for _ in range(LOOKS if api in READS else 0):
            if not self.found:
                break
            answers[0] = self.kafka.ask(api, version, values)
            meant, self.found = judged(differences(api, version, *answers), situation)
        self.steps.append((api, version, values, answers))
        self.allowed.update(meant)
        self.model.apart |= not APART.isdisjoint(meant)
        if learn and answers[0] is not None:
            learn(self.model, answers[0])
        if api in topics.CHANGES:
            self.settle()
        if api in ENDS:
            self.settle_markers()

    def settle_markers(self):
        for _ in range(LOOKS):
            answer = self.kafka.ask("ListTransactions", 0, {"StateFilters": ["PrepareCommit", "PrepareAbort"], "ProducerIdFilters": []})
            if not answer["TransactionStates"]:
                break

    def settle(self):
        """Until Kafka's broker has heard of what its controller decided: both list the same topics."""
        theirs, ours = self.kafka.topics(), self.ours.topics()
        for _ in range(LOOKS):
            if theirs == ours:
                break
            theirs = self.kafka.topics()
        self.model.topic_ids = {name: topic_id for name, (topic_id, _) in theirs.items()}


def judged(found, situation):
    """(the names of the deviations that allow some of the differences, the differences that none allows)"""
    names = [(deviation(difference, situation), difference) for difference in found]
    return [name for name, _ in names if name], [difference for name, difference in names if not name]
