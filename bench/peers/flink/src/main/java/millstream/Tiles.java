package millstream;

import java.io.IOException;
import java.util.Arrays;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** One user's tiles of one size that are not empty, oldest first, four numbers each in one array. */
final class Tiles {
    private static final int NUMBER = 0, COUNT = 1, SUM = 2, MOST = 3, WIDTH = 4;

    private long[] data = new long[2 * WIDTH];
    private int begin;
    private int end;

    void add(long number, long amount) {
        int at = end - WIDTH;
        while (at >= begin && data[at + NUMBER] > number) at -= WIDTH;
        if (at < begin || data[at + NUMBER] != number) at = insert(at + WIDTH, number);
        data[at + COUNT] += 1;
        data[at + SUM] += amount;
        data[at + MOST] = Math.max(data[at + MOST], amount);
    }

    /** Drops the tiles before `number`. */
    void expire(long number) {
        while (begin < end && data[begin + NUMBER] < number) begin += WIDTH;
    }

    void read(long tail, int window, Features out) {
        long count = 0, sum = 0, most = Long.MIN_VALUE;
        for (int at = end - WIDTH; at >= begin && data[at + NUMBER] >= tail; at -= WIDTH) {
            count += data[at + COUNT];
            sum += data[at + SUM];
            most = Math.max(most, data[at + MOST]);
        }
        out.count[window] = count;
        out.sum[window] = sum;
        out.average[window] = (double) sum / count;
        out.most[window] = most;
    }

    private int insert(int at, long number) {
        if (end == data.length) {
            long[] kept = end - begin > data.length / 2 ? new long[data.length * 2] : data;
            System.arraycopy(data, begin, kept, 0, end - begin);
            data = kept;
            at -= begin;
            end -= begin;
            begin = 0;
        }
        System.arraycopy(data, at, data, at + WIDTH, end - at);
        end += WIDTH;
        data[at + NUMBER] = number;
        data[at + COUNT] = 0;
        data[at + SUM] = 0;
        data[at + MOST] = Long.MIN_VALUE;
        return at;
    }

    Tiles copy() {
        Tiles other = new Tiles();
        other.data = Arrays.copyOfRange(data, begin, Math.max(end, begin + 2 * WIDTH));
        other.end = end - begin;
        return other;
    }

    void write(DataOutputView out) throws IOException {
        out.writeInt(end - begin);
        for (int at = begin; at < end; ++at) out.writeLong(data[at]);
    }

    static Tiles read(DataInputView in) throws IOException {
        Tiles tiles = new Tiles();
        tiles.end = in.readInt();
        tiles.data = new long[Math.max(tiles.end, 2 * WIDTH)];
        for (int at = 0; at < tiles.end; ++at) tiles.data[at] = in.readLong();
        return tiles;
    }
}
