package millstream;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Adds an event to its user's tiles and gives the user's features at the event's own time. No timers: idle users keep their tiles. */
final class SpendingFeatures extends KeyedProcessFunction<Long, Payment, Features> {
    private transient ValueState<UserTiles> state;
    private transient Features row;

    @Override
    public void open(OpenContext context) {
        state = getRuntimeContext().getState(new ValueStateDescriptor<>("tiles", new UserTiles.Serializer()));
        row = new Features();
    }

    @Override
    public void processElement(Payment payment, Context context, Collector<Features> out) throws Exception {
        UserTiles tiles = state.value();
        if (tiles == null) tiles = new UserTiles();
        tiles.add(payment);
        row.user = payment.user;
        row.time = payment.time;
        tiles.read(payment.time, row);
        state.update(tiles);
        out.collect(row);
    }
}
