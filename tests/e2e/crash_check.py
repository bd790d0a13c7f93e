"""What must hold after any number of crashes, judged from outside: from what clients were told and what a reader finds at the end."""

import collections


def faults(sent, acknowledged, seen, final):
    """One text per fault; empty when all is well.

    sent:         {partition: [number, ...]} in the order in which the producer handed them over
    acknowledged: [(partition, offset, number), ...] as delivery reports said
    seen:         [(partition, offset, number), ...] what a reader saw while the server was killed again and again
    final:        [(partition, offset, number), ...] everything that is there at the end, as read
    """
    found, out = {}, []
    for partition, offset, number in final:
        if (partition, offset) in found:
            out.append(f"partition {partition} gives offset {offset} twice")
        found[partition, offset] = number
    for partition in sorted(sent):
        offsets = [offset for p, offset, _ in final if p == partition]
        if offsets != list(range(len(offsets))):
            out.append(f"partition {partition}: offsets are not 0, 1, 2, ... in reading order")
        out += _order_faults(partition, sent[partition], [number for p, _, number in final if p == partition])
    for what, records in (("acknowledged", acknowledged), ("seen by the reader", seen)):
        for partition, offset, number in records:
            now = found.get((partition, offset))
            if now is None:
                out.append(f"record {number} was {what} at {partition}/{offset} and is lost")
            elif now != number:
                out.append(f"record {number} was {what} at {partition}/{offset}, where record {now} stands now")
    return out


def _order_faults(partition, sent, there):
    doubled = [number for number, times in collections.Counter(there).items() if times > 1]
    if doubled:
        return [f"partition {partition}: records {doubled[:10]} are there more than once"]
    place = {number: i for i, number in enumerate(sent)}
    unknown = [number for number in there if number not in place]
    if unknown:
        return [f"partition {partition}: records {unknown[:10]} were never sent"]
    places = [place[number] for number in there]
    return [] if places == sorted(places) else [f"partition {partition}: records are not in the order they were sent"]
