package millstream.clients;

import java.time.Duration;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;

/** A member in a thread of its own: it knows what it was given, and commits what it reads. */
final class Owner implements ConsumerRebalanceListener, Runnable {
    final Set<Integer> owned = ConcurrentHashMap.newKeySet();
    final Set<String> seen = ConcurrentHashMap.newKeySet();
    private final KafkaConsumer<String, String> consumer;
    private final AtomicReference<Throwable> raised = new AtomicReference<>();
    private final Thread thread = new Thread(this);
    private volatile boolean enough;

    Owner(Main.Run run) {
        consumer = run.consumer(Map.of("group.id", run.topic()));
        consumer.subscribe(Set.of(run.topic()), this);
        thread.start();
    }

    @Override
    public void run() {
        try (consumer) {
            while (!enough) {
                var records = consumer.poll(Duration.ofMillis(100));
                records.forEach(record -> seen.add(record.value()));
                if (!records.isEmpty()) {
                    commit();
                }
            }
        } catch (Throwable error) { // a thread cannot fail by itself
            raised.set(error);
        }
    }

    private void commit() {
        try {
            consumer.commitSync();
        } catch (CommitFailedException | RetriableException rebalancing) {
            // refused in a rebalance: the next member reads them again
        }
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> places) {
        places.forEach(place -> owned.add(place.partition()));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> places) {
        places.forEach(place -> owned.remove(place.partition()));
    }

    void leave() throws InterruptedException {
        enough = true;
        thread.join();
        if (raised.get() != null) {
            throw new AssertionError(raised.get());
        }
    }
}
