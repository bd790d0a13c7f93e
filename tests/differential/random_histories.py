"""Random histories of requests. A step depends on a seed and on Kafka's answers so far, so both servers are asked the same."""

import random
import re
import time
from collections import Counter

import administrators
import cluster
import groups
import logs
import sessions
import topics
import transactions
import waits
from compare import Situation, differences
from deviations import deviation
from protocol import messages
from sides import PATIENCE

READS = {"Metadata", "DescribeConfigs", "DescribeTopicPartitions", "ListOffsets", "Fetch", "OffsetFetch", "DescribeGroups", "ListGroups", "DescribeCluster",
         "ConsumerGroupDescribe", "DescribeTransactions", "ListTransactions", "DescribeProducers", "FindCoordinator", "OffsetForLeaderEpoch",
         "ListPartitionReassignments", "ListConfigResources", "DescribeLogDirs", "DescribeAcls",
         "DescribeClientQuotas", "DescribeUserScramCredentials"}
ENDS = {"EndTxn", "InitProducerId"}  # of transactions: Kafka answers before the markers are in their partitions
# Deviations after which the servers' states differ.
APART = {"offsets outside transactions", "forgotten at once", "credentials at once", "quotas that do not exist", "hosts of ACLs"}
WAITS = [step for _, step in waits.STEPS]  # they take the whole history: they are several requests
STEPS = [*waits.STEPS, *topics.STEPS, *logs.STEPS, *sessions.STEPS, *groups.STEPS, *transactions.STEPS, *cluster.STEPS]


def looks():
    """A turn for each time that Kafka alone may be asked again: its brokers learn of a change a little later, and we answer at once."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        yield


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
        self.epochs = set()  # (producer id, epoch) of all that were given
        self.sequences = {}  # (producer id, epoch, topic, partition) -> the next
        self.pending = set()  # groups where a client was told its member id and has not joined with it
        self.members = {}  # group -> (member id, generation or epoch)
        self.instances = {}  # group -> group instance id of its member, or None
        self.kept = {}  # group -> (topic, partition) of offsets that it has committed, outside transactions
        self.away = set()  # groups whose static member has said that it will come back
        self.sized_apart = set()  # topics whose records were compressed anew, or deleted at their beginning
        self.added = set()  # (transactional id, group) whose offsets are part of the transaction
        self.first_generation = set()  # (producer id, topic, partition) that a request from before KIP-890 wrote to, or tried to
        self.session = None  # of Fetch: (id, the next epoch, versions), and at the end of the history the servers forget it
        self.handshake = False  # who has not logged in has named a mechanism
        self.cluster_action = False  # somebody may perhaps do what brokers do among themselves
        self.apart = False  # the servers' states differ, as is meant: more answers would say nothing

    def chance(self, one_in):
        return self.random.randrange(one_in) == 0

    def topic(self):
        return self.random.choice([*self.topics, *self.topics, *self.topics, "unknown"])

    def made(self, name):
        """Whether it is of this history, or of none: topics that are asked for by an id have no name, perhaps."""
        return name is None or re.match(rf".{self.tag}[-._]|nobody|unknown|\d|$", name) is not None

    def gave(self, transactional_id, answer):
        """The answer gave a producer an id and an epoch."""
        self.producers[transactional_id] = (answer["ProducerId"], answer["ProducerEpoch"])
        self.epochs.add(self.producers[transactional_id])

    def joined(self, group):
        """Whether the group has a member for sure."""
        return group in self.members and group not in self.pending or group in self.away

    def partition(self):
        return self.random.choice([0, 0, 0, 1, 1, 2, 7])

    def group(self):
        return self.random.choice(self.groups)


class History:
    """Asks both servers until their answers differ in a way that is not meant. `steps` is what was asked, `found` how the last one
    differed, `allowed` the differences that are meant."""

    def __init__(self, seed, kafka, ours, both_serve, kinds=STEPS):
        """`kinds` are steps with their weights and, where there are users, who takes them."""
        self.model, self.kafka, self.ours, self.both_serve, self.kinds = Model(seed), kafka, ours, both_serve, kinds
        self.steps, self.found, self.allowed = [], [], Counter()
        for side in (kafka, ours):
            side.begin(self.model.made)

    def run(self, count):
        while len(self.steps) < count and not self.found and not self.model.apart:
            ((_, step, *who),) = self.model.random.choices(self.kinds, [weight for weight, *_ in self.kinds])
            if step in WAITS:
                step(self)
            elif asked := step(self.model):
                self.step(*asked, who=who)

    def told(self):
        """How it differed, and what was asked before."""
        _, _, values, answers = self.steps[-1]
        steps = "\n".join(f"{i}: {api} v{version} {asked}" for i, (api, version, asked, _) in enumerate(self.steps))
        return "\n".join(map(str, self.found)) + f"\nasked: {values}\nKafka: {answers[0]}\nMillstream: {answers[1]}\nthe history:\n{steps}"

    def version(self, api, at_least=0, at_most=99):
        (low, high), valid = self.both_serve[api], messages()[api][0].valid
        if at_least > high:
            return at_least  # one that nobody knows
        return self.model.random.randint(max(low, valid.first, at_least), min(high, valid.last, at_most))

    def step(self, api, values, learn=None, versions=(0, 99), who=()):
        version = self.version(api, *versions)
        for side in (self.kafka, self.ours):
            side.become(*who)
        answers = [side.ask(api, version, values) for side in (self.kafka, self.ours)]
        self.judge(api, version, values, answers, who)
        for side in (self.kafka, self.ours):
            side.become()
        if learn and answers[0] is not None:
            learn(self.model, answers[0])
        if api in topics.CHANGES or values.get("AllowAutoTopicCreation"):
            self.settle()
        if api in administrators.CHANGES:
            self.settle_acls()
        if api in ("AlterConfigs", "IncrementalAlterConfigs"):
            self.kafka.settle_configs()
        if api in ENDS:
            self.settle_markers()

    def judge(self, api, version, values, answers, who=()):
        situation = Situation(values, self.model, self.kafka)
        meant, self.found = judged(differences(api, version, *answers), situation)
        for _ in looks() if api in READS and values.get("SessionEpoch", -1) == -1 else ():
            if not self.found:
                break
            answers[0] = self.kafka.ask(api, version, values)
            meant, self.found = judged(differences(api, version, *answers), situation)
        self.steps.append((" of ".join([api, *map(str, who)]), version, values, answers))
        self.allowed.update(meant)
        self.model.apart |= not APART.isdisjoint(meant)

    def settle_markers(self):
        for _ in looks():
            answer = self.kafka.ask("ListTransactions", 0, {"StateFilters": ["PrepareCommit", "PrepareAbort"], "ProducerIdFilters": []})
            if not answer["TransactionStates"]:
                break

    def settle_acls(self):
        asked, situation = administrators.EVERY_ACL, Situation(administrators.EVERY_ACL, self.model, self.kafka)
        ours = self.ours.ask("DescribeAcls", 3, asked)
        for _ in () if self.model.apart else looks():
            if not judged(differences("DescribeAcls", 3, self.kafka.ask("DescribeAcls", 3, asked), ours), situation)[1]:
                break

    def settle(self):
        """Until Kafka's broker has heard of what its controller decided: both list the same topics."""
        theirs, ours = self.kafka.topics(), self.ours.topics()
        for _ in looks():
            if theirs == ours:
                break
            theirs = self.kafka.topics()
        self.settle_partitions({name: count for name, (_, count) in theirs.items()})
        self.model.topic_ids = {name: topic_id for name, (topic_id, _) in theirs.items()}

    def settle_partitions(self, counts):
        """Until Kafka's broker has what is listed, and has not what is not."""
        asked = [{"PartitionIndex": i, "CurrentLeaderEpoch": -1, "Timestamp": -1} for i in range(3)]
        names = sorted({*counts, *self.model.topics})
        for _ in looks():
            answer = self.kafka.ask("ListOffsets", 7, {"ReplicaId": -1, "IsolationLevel": 0, "Topics": [{"Name": name, "Partitions": asked} for name in names]})
            there = {(topic["Name"], p["PartitionIndex"]): p["ErrorCode"] == 0 for topic in answer["Topics"] for p in topic["Partitions"]}
            if all(has == (index < counts.get(name, 0)) for (name, index), has in there.items()):
                break


def judged(found, situation):
    """(the names of the deviations that allow some of the differences, the differences that none allows)"""
    names = [(deviation(difference, situation), difference) for difference in found]
    return [name for name, _ in names if name], [difference for name, difference in names if not name]
