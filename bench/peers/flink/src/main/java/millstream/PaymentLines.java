package millstream;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.reader.SimpleStreamFormat;
import org.apache.flink.connector.file.src.reader.StreamFormat;
import org.apache.flink.core.fs.FSDataInputStream;

/**
 * Lines of JSON, read by Jackson's streaming parser, which takes just the three fields that are wanted: cheaper than data binding. One
 * parser goes over the whole stream, so that none is set up per event.
 */
final class PaymentLines extends SimpleStreamFormat<Payment> {
    @Override
    public Reader<Payment> createReader(Configuration settings, FSDataInputStream stream) throws IOException {
        return new LineReader(new JsonFactory().createParser(stream));
    }

    @Override
    public TypeInformation<Payment> getProducedType() {
        return TypeInformation.of(Payment.class);
    }

    private static final class LineReader implements StreamFormat.Reader<Payment> {
        private final JsonParser json;

        LineReader(JsonParser json) {
            this.json = json;
        }

        @Override
        public Payment read() throws IOException {
            if (json.nextToken() == null) return null;
            Payment payment = new Payment();
            for (String name = json.nextFieldName(); name != null; name = json.nextFieldName()) {
                switch (name) {
                    case "user" -> payment.user = json.nextLongValue(-1);
                    case "ts" -> payment.time = json.nextLongValue(-1);
                    case "amount" -> payment.amount = json.nextLongValue(-1);
                    default -> {
                        json.nextToken();
                        json.skipChildren();
                    }
                }
            }
            if (json.currentToken() != JsonToken.END_OBJECT) throw new IOException("not an object per line");
            return payment;
        }

        @Override
        public void close() throws IOException {
            json.close();
        }
    }
}
