package millstream.clients;

import static millstream.clients.Main.equal;

import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;

final class Logins {
    static void run(Main.Run run) throws Exception {
        Groups.group(run);
        try (Admin stranger = Admin.create(run.withPassword("wrong").at(Map.of()))) {
            equal(causeOf(() -> stranger.listTopics().names().get()), SaslAuthenticationException.class);
        }
        try (var producer = run.producer(Map.of())) {
            equal(causeOf(() -> producer.send(new ProducerRecord<>("forbidden", "x")).get()), TopicAuthorizationException.class);
        }
    }

    /** Which error it is that comes of it. */
    private static Object causeOf(Callable<?> work) throws Exception {
        try {
            work.call();
            return "no error";
        } catch (ExecutionException error) {
            return error.getCause().getClass();
        }
    }
}
