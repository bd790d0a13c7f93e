"""One server under the differential test: what only it can know (ids it made up) is a symbol in requests and answers."""

import dataclasses
import time

import records
from protocol import NO_ID, Connection, messages

PATIENCE = 30
# Names of fields whose values each server makes up -> what they are.
MADE_UP = {"TopicId": "topic", "ProducerId": "producer", "MemberId": "member", "Leader": "member", "ProducerEpoch": "producer epoch", "GenerationId": "generation", "ClusterId": "cluster", "Port": "port",
           "MemberEpoch": "epoch", "SessionId": "session", "LogDir": "directory"}
SHARED = "shared"  # a topic that nobody deletes: Kafka's groups of KIP-848 hear of changes of their topics only some time later
UNKNOWN_ID = "11111111-1111-1111-1111-111111111111"  # of no topic
NOBODY = ("", None, -1, 0, NO_ID, UNKNOWN_ID)
WHEN = {"TransactionStartTimeMs", "TransactionStateTimeMs", "LastTimestamp", "ClientHost"}  # never the same
# Answers that list everything there is: the list, what names its elements.
LISTS = {"ListGroups": ("Groups", "GroupId"), "ListTransactions": ("TransactionStates", "TransactionalId"), "Metadata": ("Topics", "Name"),
         "DescribeLogDirs": ("Results.Topics", "Name"), "ListConfigResources": ("ConfigResources", "ResourceName"),
         "DescribeUserScramCredentials": ("Results", "User")}
NOT_GIVEN = "<an epoch that no producer was given>"  # but that a marker has
NOTHING = {"topic": NO_ID, "session": 0, "producer": -1, "producer epoch": 0, "member": "", "epoch": 0, "generation": -1}
PER = {"ProducerEpoch": "ProducerId", "GenerationId": "MemberId", "MemberEpoch": "MemberId"}  # whose number it is
NOW_MS = 1_750_000_000_000  # what is later comes from a clock; histories write earlier timestamps
# A leader or coordinator is not there yet, or ends a transaction in the background: ask again.
AGAIN = {6: "NOT_LEADER_OR_FOLLOWER", 14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR", 51: "CONCURRENT_TRANSACTIONS"}


@dataclasses.dataclass(frozen=True, order=True)
class Symbol:
    """The nth thing of a kind that a server named."""

    kind: str
    number: int

    def __repr__(self):
        return f"<{self.kind} {self.number}>"


class Side:
    def __init__(self, name, address, patience=0, passwords=()):
        """With `patience`, what its parts have not told one another yet is asked for again, for so many seconds. With `passwords` the first of
        their users asks, unless another one is to."""
        self.name, self.address, self.patience, self.passwords = name, address, patience, dict(passwords)
        self.probes = 0
        self.connections = {}  # by who has logged in; None has not
        self.become()
        self.begin(lambda name: True)

    def become(self, *who):
        """Who asks from now on; without one it is the first user."""
        self.who = who[0] if who else next(iter(self.passwords), None)

    @property
    def connection(self):
        if self.who not in self.connections:
            self.connections[self.who] = Connection(self.address)
            if self.who:
                self.log_in()
        return self.connections[self.who]

    def log_in(self):
        self.connection.ask("SaslHandshake", 1, {"Mechanism": "PLAIN"})
        answer = self.connection.ask("SaslAuthenticate", 2, {"AuthBytes": f"\0{self.who}\0{self.passwords[self.who]}".encode()})
        assert answer["ErrorCode"] == 0, answer

    def begin(self, made):
        """A new history: symbols are counted anew, and lists of everything leave out what it has not `made(name)`."""
        self.symbols, self.values, self.made, self.known_only = {}, {}, made, False
        if self.passwords and None in self.connections:  # which may have begun to log in
            self.connections.pop(None).close()

    def ask(self, api, version, values):
        """The answer with symbols; None when the server closed the connection instead."""
        deadline = time.monotonic() + self.patience
        while True:
            answer = self.ask_once(api, version, values)
            once = values.get("SessionEpoch", -1) != -1  # a fetch session counts how often it is asked
            if answer is None or once or not AGAIN.keys() & set(error_codes(answer)) or time.monotonic() > deadline:
                self.known_only = api == "DescribeProducers"
                return self.to_symbols(self.of_this_history(api, answer))
            time.sleep(0.02)

    def ask_once(self, api, version, values):
        if api == "SaslHandshake" and self.passwords and self.connection:
            self.connect_again()  # each on a connection of its own
        try:
            answer = self.connection.ask(api, version, self.from_symbols(values))
            if api == "SaslAuthenticate":  # ours ends a connection on which that fails
                self.connect_again()
            return answer
        except TimeoutError as error:
            self.connect_again()
            raise AssertionError(f"{self.name} does not answer {api} v{version} {values}") from error
        except ConnectionError:
            self.connect_again()
            return None

    def connect_again(self):
        self.connections.pop(self.who).close()

    def of_this_history(self, api, answer):
        if answer and api in LISTS:
            (*outer, listed), name = LISTS[api][0].split("."), LISTS[api][1]
            for holder in [answer] if not outer else answer[outer[0]]:
                holder[listed] = [one for one in holder[listed] if self.made(one[name])]
        if answer and api.endswith("ClientQuotas"):
            for entry in answer["Entries"] or ():
                entry["Entity"].sort(key=lambda part: part["EntityType"])
        if answer and api == "Fetch":
            answer["Responses"] = together(answer["Responses"])
        return answer

    def from_symbols(self, value):
        if isinstance(value, Symbol):
            made_up = self.values.get(value, NOTHING[value.kind])
            return made_up[1] if isinstance(made_up, tuple) else made_up  # an answer that differed may have had none
        if isinstance(value, Batch):
            return value.encoded(self.from_symbols(value.producer), self.from_symbols(value.epoch))
        if isinstance(value, dict):
            return {name: self.from_symbols(inner) for name, inner in value.items()}
        return [self.from_symbols(inner) for inner in value] if isinstance(value, list) else value

    def to_symbols(self, value, name=None):
        if isinstance(value, dict):
            value = value | relative_epochs(value)
            for number, owner in PER.items():
                if (value.get(number) or 0) > 0 and owner in value:
                    value = value | {number: (value[owner], value[number])}
            return {inner: self.to_symbols(v, inner) for inner, v in value.items()}
        if isinstance(value, list):
            return [self.to_symbols(inner, name) for inner in value]
        if name == "Records":
            return self.to_symbols(records.heads(value or b""), "Batches")
        if name in MADE_UP and value not in NOBODY:
            return self.symbol(MADE_UP[name], value)
        if name in WHEN and value not in NOBODY or "Time" in (name or "") and isinstance(value, int) and value > NOW_MS:
            return f"<{name}>"
        return value

    def symbol(self, kind, value):
        if self.known_only and kind == "producer epoch" and (kind, value) not in self.symbols:
            return NOT_GIVEN
        if (kind, value) not in self.symbols:
            symbol = Symbol(kind, sum(known == kind for known, _ in self.symbols) + 1)
            self.symbols[kind, value], self.values[symbol] = symbol, value
        return self.symbols[kind, value]

    def prepare(self):
        """Until the coordinators are there (Kafka makes their topics when it is asked for the first time) and groups see the shared topic."""
        for kind in (0, 1):
            self.ask("FindCoordinator", 3, {"Key": "first", "KeyType": kind})
        self.ask("OffsetFetch", 5, {"GroupId": "first", "Topics": []})
        self.ask("InitProducerId", 2, {"TransactionalId": "first", "TransactionTimeoutMs": 60_000})
        topic = {"Name": SHARED, "NumPartitions": 3, "ReplicationFactor": 1, "Assignments": [], "Configs": []}
        self.ask("CreateTopics", 4, {"Topics": [topic], "timeoutMs": 30_000, "validateOnly": False})
        joins, assigned = 0, None
        while not assigned:
            asked = {"GroupId": f"first-{joins}", "MemberId": "", "MemberEpoch": 0, "RebalanceTimeoutMs": 300_000, "SubscribedTopicNames": [SHARED], "TopicPartitions": []}
            assigned = self.connection.ask("ConsumerGroupHeartbeat", 0, asked)["Assignment"]["TopicPartitions"]
            joins += 1

    def settle_configs(self):
        """Until topics and groups have their configurations: changes are heard of in their order, so when a later one of another group is, all are."""
        self.probes = (self.probes + 1) % 9000
        interval = {"Name": "consumer.heartbeat.interval.ms", "ConfigOperation": 0, "Value": str(5001 + self.probes)}
        probe = {"ResourceType": 32, "ResourceName": "probe", "Configs": [interval]}
        self.connection.ask("IncrementalAlterConfigs", 1, {"Resources": [probe], "ValidateOnly": False})
        asked = {"GroupId": "probe", "MemberId": "probe", "MemberEpoch": 0, "RebalanceTimeoutMs": 300_000, "SubscribedTopicNames": [SHARED],
                 "TopicPartitions": []}
        deadline = time.monotonic() + self.patience
        while self.connection.ask("ConsumerGroupHeartbeat", 1, asked)["HeartbeatIntervalMs"] != 5001 + self.probes and time.monotonic() < deadline:
            pass

    def topics(self):
        """{name: (id, number of partitions)} of those of this history."""
        listed = self.connection.ask("Metadata", 12, {"Topics": None})["Topics"]
        listed = sorted((topic for topic in listed if self.made(topic["Name"])), key=lambda topic: topic["Name"])
        return {topic["Name"]: (topic["TopicId"], len(topic["Partitions"])) for topic in self.to_symbols(listed)}

    def versions(self):
        answer = self.ask("ApiVersions", 3, {"ClientSoftwareName": "differential", "ClientSoftwareVersion": "1"})
        names = {request.key: name for name, (request, _) in messages().items()}
        return {names[api["ApiKey"]]: (api["MinVersion"], api["MaxVersion"]) for api in answer["ApiKeys"] if api["ApiKey"] in names}

    def close(self):
        for connection in self.connections.values():
            connection.close()


def ready(*sides):
    """(Kafka, Millstream, {API: versions that both serve}), until they are not needed any more."""
    for side in sides:
        side.prepare()
    theirs, ours = [side.versions() for side in sides]
    yield *sides, {api: (max(theirs[api][0], ours[api][0]), min(theirs[api][1], ours[api][1])) for api in theirs.keys() & ours.keys()}
    for side in sides:
        side.close()


@dataclasses.dataclass(frozen=True)
class Batch:
    """A record batch whose producer and epoch may be symbols."""

    values: tuple
    timestamps: tuple
    producer: object = -1
    epoch: object = -1
    sequence: int = -1
    attributes: int = 0
    broken: bool = False
    keys: tuple = ()
    headers: tuple = ()

    def encoded(self, producer_id, epoch):
        data = records.batch(self.values, self.timestamps, (producer_id, epoch, self.sequence), self.attributes, self.keys, self.headers)
        return data[:-1] + bytes([data[-1] ^ 1]) if self.broken else data


def together(topics):
    """Each topic once: Kafka names one again for partitions that follow those of another."""
    found = {}
    for topic in topics:
        found.setdefault(topic.get("Topic", topic.get("TopicId")), topic | {"Partitions": []})["Partitions"].extend(topic["Partitions"])
    return list(found.values())


def relative_epochs(group):
    """A consumer group's epochs count from when it was made, and Millstream makes one anew that Kafka still has. What they mean is how far
    each is ahead: the group's of its assignment's, and that one of its members'."""
    if "AssignmentEpoch" not in group:
        return {}
    if not group["GroupState"]:
        return {"GroupEpoch": None, "AssignmentEpoch": None}  # there is no such group
    assigned = group["AssignmentEpoch"]
    furthest = max((member["MemberEpoch"] for member in group["Members"] if member["MemberEpoch"] >= 0), default=assigned)
    return {"GroupEpoch": group["GroupEpoch"] - assigned, "AssignmentEpoch": assigned - furthest}


def error_codes(value):
    """Every error code in an answer."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.endswith("ErrorCode"):
                yield inner
            else:
                yield from error_codes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from error_codes(inner)
