package millstream;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import org.apache.flink.api.common.JobExecutionResult;
import org.apache.flink.api.common.accumulators.LongCounter;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.file.src.FileSource;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * Benchmark B2a in Flink with its state on the heap: EVENTS.jsonl CHECKPOINTS RUNS. Each run is one job in this JVM, so all but the first
 * find it warm. Prints one JSON line per run. The CPU seconds are those of the whole process: collector and compiler are part of it.
 */
public final class SpendingJob {
    private SpendingJob() {}

    public static void main(String[] arguments) throws Exception {
        int runs = Integer.parseInt(arguments[2]);
        for (int run = 0; run < runs; ++run) {
            System.gc();
            long before = cpuNanos();
            JobExecutionResult result = job(new Path(arguments[0]), arguments[1]).execute("spending");
            double cpu = (cpuNanos() - before) / 1e9;
            System.out.printf("{\"rows\": %d, \"checksum\": \"%016x\", \"cpu_s\": %.3f, \"wall_s\": %.3f}%n", (Long) result.getAccumulatorResult("rows"),
                    (Long) result.getAccumulatorResult("checksum"), cpu, result.getNetRuntime() / 1000.0);
        }
    }

    private static StreamExecutionEnvironment job(Path events, String checkpoints) {
        Configuration settings = new Configuration();
        settings.setString("state.backend.type", "hashmap");
        settings.setString("execution.checkpointing.dir", java.nio.file.Path.of(checkpoints).toUri().toString());
        settings.setString("taskmanager.memory.network.min", "128m");
        settings.setString("taskmanager.memory.network.max", "128m");
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(1, settings);
        environment.enableCheckpointing(10_000, CheckpointingMode.EXACTLY_ONCE);
        environment.getConfig().enableObjectReuse();
        environment
                .fromSource(FileSource.forRecordStreamFormat(new PaymentLines(), events).build(), WatermarkStrategy.noWatermarks(), "payments")
                .keyBy(payment -> payment.user)
                .process(new SpendingFeatures())
                .map(new Sum())
                .returns(Features.class)
                .sinkTo(new DiscardingSink<>());
        return environment;
    }

    private static long cpuNanos() {
        return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }

    /** The checksum of all rows, in whatever order they come. */
    private static final class Sum extends RichMapFunction<Features, Features> {
        private final LongCounter rows = new LongCounter();
        private final LongCounter checksum = new LongCounter();

        @Override
        public void open(OpenContext context) throws IOException {
            getRuntimeContext().addAccumulator("rows", rows);
            getRuntimeContext().addAccumulator("checksum", checksum);
        }

        @Override
        public Features map(Features row) {
            rows.add(1L);
            checksum.add(row.checksum());
            return row;
        }
    }
}
