package millstream;

/** A row out: count, sum, average and maximum of each window. */
public class Features {
    public long user;
    public long time;
    public final long[] count = new long[Window.ALL.length];
    public final long[] sum = new long[Window.ALL.length];
    public final double[] average = new double[Window.ALL.length];
    public final long[] most = new long[Window.ALL.length];

    /** bench/src/b2a.cc has the same: per row the values in order, each mixed in; rows are added up. */
    long checksum() {
        long row = 77;
        for (int w = 0; w < count.length; ++w) {
            row = mix(row, count[w]);
            row = mix(row, sum[w]);
            row = mix(row, (long) Math.floor(average[w]));
            row = mix(row, most[w]);
        }
        return row;
    }

    private static long mix(long sum, long value) {
        return (sum ^ value) * 0x9FB21C651E98DF25L + 1;
    }
}
