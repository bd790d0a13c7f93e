package millstream;

/** A sliding window whose tail is cut down to a multiple of its hop. */
final class Window {
    private static final long SECOND = 1_000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

    /** Windows with one hop stand together: they read the same tiles. */
    static final Window[] ALL = {
        new Window(MINUTE, 10 * SECOND), new Window(10 * MINUTE, MINUTE), new Window(HOUR, 5 * MINUTE), new Window(DAY, HOUR), new Window(7 * DAY, HOUR)
    };

    final long length;
    final long hop;

    private Window(long length, long hop) {
        this.length = length;
        this.hop = hop;
    }

    /** The first tile that an answer at `time` reads. */
    long tail(long time) {
        return Math.floorDiv(time - length, hop);
    }
}
