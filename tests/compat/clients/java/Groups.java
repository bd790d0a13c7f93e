package millstream.clients;

import static millstream.clients.Main.equal;
import static millstream.clients.Main.that;
import static millstream.clients.Main.until;

import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.ProducerRecord;

final class Groups {
    static void group(Main.Run run) throws Exception {
        try (Admin admin = Admin.create(run.at(Map.of()))) {
            Owner first = new Owner(run);
            until("one member owns all", () -> first.owned.size() == 4);
            Owner second = new Owner(run);
            until("two members share", () -> first.owned.size() == 2 && second.owned.size() == 2);
            that(Collections.disjoint(first.owned, second.owned), "both own a partition");
            try (var producer = run.producer(Map.of())) {
                for (int i = 0; i < run.count(); i++) {
                    producer.send(new ProducerRecord<>(run.topic(), i % 4, null, String.valueOf(i)));
                }
            }
            until("both have read everything", () -> union(first.seen, second.seen).size() == run.count());
            var described = admin.describeConsumerGroups(List.of(run.topic())).all().get().get(run.topic());
            equal(described.members().size(), 2);
            second.leave();
            until("the other one takes over", () -> first.owned.size() == 4);
            until("all is committed", () -> committed(admin, run) == run.count());
            first.leave();
            that(admin.listConsumerGroups().all().get().stream().anyMatch(one -> one.groupId().equals(run.topic())), "the group is not listed");
            admin.deleteConsumerGroups(List.of(run.topic())).all().get();
        }
    }

    static <T> Set<T> union(Set<T> one, Set<T> other) {
        Set<T> both = new HashSet<>(one);
        both.addAll(other);
        return both;
    }

    static long committed(Admin admin, Main.Run run) {
        try {
            var offsets = admin.listConsumerGroupOffsets(run.topic()).partitionsToOffsetAndMetadata().get();
            return offsets.values().stream().mapToLong(one -> one == null ? 0 : one.offset()).sum();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    /** Produces and consumes until a line comes in, and then until every acknowledged record was seen. */
    static void survive(Main.Run run) throws Exception {
        Owner consumer = new Owner(run);
        int acknowledged = 0;
        try (var producer = run.producer(Map.of("delivery.timeout.ms", 300_000))) {
            while (System.in.available() == 0) {
                String value = String.valueOf(acknowledged++);
                producer.send(new ProducerRecord<>(run.topic(), acknowledged % 2, null, value)).get();
                System.out.println("acknowledged " + value);
            }
        }
        int all = acknowledged;
        until("every acknowledged record was seen", () -> consumer.seen.size() == all);
        consumer.leave();
    }
}
