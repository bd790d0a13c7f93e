package millstream;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** All tiles of one user, one value of Flink's state. Neighbouring windows with one hop share the tiles of the longest. */
final class UserTiles {
    private static final int[] LEVEL = new int[Window.ALL.length];
    private static final int[] LONGEST;  // by level: the window that reaches furthest back

    static {
        int levels = 0;
        int[] longest = new int[Window.ALL.length];
        for (int w = 0; w < Window.ALL.length; ++w) {
            if (w > 0 && Window.ALL[w].hop != Window.ALL[w - 1].hop) ++levels;
            LEVEL[w] = levels;
            longest[levels] = w;
        }
        LONGEST = java.util.Arrays.copyOf(longest, levels + 1);
    }

    private final Tiles[] levels = new Tiles[LONGEST.length];

    private UserTiles(boolean empty) {
        for (int l = 0; empty && l < levels.length; ++l) levels[l] = new Tiles();
    }

    UserTiles() {
        this(true);
    }

    void add(Payment payment) {
        for (int l = 0; l < levels.length; ++l) {
            Window longest = Window.ALL[LONGEST[l]];
            levels[l].expire(longest.tail(payment.time));
            levels[l].add(Math.floorDiv(payment.time, longest.hop), payment.amount);
        }
    }

    void read(long time, Features out) {
        for (int w = 0; w < LEVEL.length; ++w) levels[LEVEL[w]].read(Window.ALL[w].tail(time), w, out);
    }

    /** By hand: what Flink derives by reflection costs several times as much. */
    static final class Serializer extends TypeSerializerSingleton<UserTiles> {
        @Override
        public boolean isImmutableType() {
            return false;
        }

        @Override
        public UserTiles createInstance() {
            return new UserTiles();
        }

        @Override
        public UserTiles copy(UserTiles from) {
            UserTiles to = new UserTiles(false);
            for (int l = 0; l < to.levels.length; ++l) to.levels[l] = from.levels[l].copy();
            return to;
        }

        @Override
        public UserTiles copy(UserTiles from, UserTiles reuse) {
            return copy(from);
        }

        @Override
        public int getLength() {
            return -1;
        }

        @Override
        public void serialize(UserTiles tiles, DataOutputView out) throws IOException {
            for (Tiles level : tiles.levels) level.write(out);
        }

        @Override
        public UserTiles deserialize(DataInputView in) throws IOException {
            UserTiles tiles = new UserTiles(false);
            for (int l = 0; l < tiles.levels.length; ++l) tiles.levels[l] = Tiles.read(in);
            return tiles;
        }

        @Override
        public UserTiles deserialize(UserTiles reuse, DataInputView in) throws IOException {
            return deserialize(in);
        }

        @Override
        public void copy(DataInputView in, DataOutputView out) throws IOException {
            serialize(deserialize(in), out);
        }

        @Override
        public TypeSerializerSnapshot<UserTiles> snapshotConfiguration() {
            return new Snapshot();
        }

        /** How Flink finds the serializer again in a checkpoint. */
        public static final class Snapshot extends SimpleTypeSerializerSnapshot<UserTiles> {
            public Snapshot() {
                super(Serializer::new);
            }
        }
    }
}
