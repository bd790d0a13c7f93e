"""Steps of transactional producers."""

from logs import at, batch, learn_producer, produce_batch
from records import TRANSACTIONAL

OF_THE_LOG = (10, 32, 45, 87)  # MESSAGE_TOO_LARGE, INVALID_TIMESTAMP, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_RECORD


def begin(m):
    name = m.random.choice(m.transactional)
    asked = {"TransactionalId": name, "TransactionTimeoutMs": m.random.choice([60_000] * 5 + [0, 100_000_000]), "ProducerId": -1, "ProducerEpoch": -1}

    def learn(m, answer):
        learn_producer(m, name, answer)
        if answer["ErrorCode"] == 0:
            ended(m, name)

    return "InitProducerId", asked, learn


def ended(m, name):
    m.added = {(other, group) for other, group in m.added if other != name}


def producer(m):
    """(transactional id, producer id, epoch): mostly the right ones; None before there is one."""
    known = [name for name in m.transactional if name in m.producers]
    if not known:
        return None
    name = m.random.choice(known)
    producer_id, epoch = m.producers[name]
    return name, producer_id, 77 if m.chance(12) else epoch


def add_partitions(m):
    who = producer(m)
    topics = [{"Name": m.topic(), "Partitions": [m.random.choice([0, 0, 1, 7])]}]
    return who and ("AddPartitionsToTxn", {"V3AndBelowTransactionalId": who[0], "V3AndBelowProducerId": who[1], "V3AndBelowProducerEpoch": who[2],
                                           "V3AndBelowTopics": topics}, None, (0, 3))


def produce(m):
    who = producer(m)
    if not who:
        return None
    place, second = at(m), m.chance(2)
    key = (*who[1:], *place[::2])
    sequence = m.sequences.get(key, 0)
    # Kafka remembers what the first generation tried in vain, and then takes other sequences.
    m.first_generation |= set() if second else {(who[1], *place[::2])}
    skips = second and (who[1], *place[::2]) not in m.first_generation and m.chance(20)
    sent = batch(m, *who[1:], sequence=sequence + 3 * skips, attributes=TRANSACTIONAL)

    def learn(m, answer):
        error = answer["Responses"][0]["PartitionResponses"][0]["ErrorCode"]
        m.apart |= second and error in OF_THE_LOG  # in Kafka it has joined the transaction all the same
        if error == 0:
            m.sequences[key] = sent.sequence + len(sent.values)

    return (*produce_batch(m, sent, learn, transactional_id=who[0], place=place)[:3], (12, 99) if second else (3, 11))


def add_offsets(m):
    who, group = producer(m), m.group()

    def learn(m, answer):
        if answer["ErrorCode"] == 0:
            m.added.add((who[0], group))

    return who and ("AddOffsetsToTxn", {"TransactionalId": who[0], "ProducerId": who[1], "ProducerEpoch": who[2], "GroupId": group}, learn)


def commit_offsets(m):
    who = producer(m)
    topic = {"Name": m.topic(), "Partitions": [{"PartitionIndex": m.partition(), "CommittedOffset": 3, "CommittedLeaderEpoch": -1, "CommittedMetadata": ""}]}
    return who and ("TxnOffsetCommit", {"TransactionalId": who[0], "GroupId": m.group(), "ProducerId": who[1], "ProducerEpoch": who[2], "GenerationId": -1, "MemberId": "",
                                        "GroupInstanceId": None, "Topics": [topic]})


def end(m):
    who = producer(m)
    if not who:
        return None

    def learn(m, answer):
        if answer["ErrorCode"] == 0:
            ended(m, who[0])
        if answer["ErrorCode"] == 0 and answer.get("ProducerId", -1) != -1:  # from version 5 on: the epoch of the next transaction
            m.gave(who[0], answer)

    return "EndTxn", {"TransactionalId": who[0], "ProducerId": who[1], "ProducerEpoch": who[2], "Committed": m.chance(2)}, learn


def describe(m):
    return "DescribeTransactions", {"TransactionalIds": [m.random.choice([*m.transactional, "nobody's"])]}


def list_all(m):
    return "ListTransactions", {"StateFilters": m.random.choice([[], ["Ongoing"], ["NoSuchState"]]), "ProducerIdFilters": [], "DurationFilter": -1}


STEPS = [(5, begin), (6, add_partitions), (8, produce), (2, add_offsets), (3, commit_offsets), (6, end), (2, describe), (2, list_all)]
