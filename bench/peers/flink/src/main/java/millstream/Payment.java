package millstream;

/** What the features need of an event; a Flink POJO. */
public class Payment {
    public long user;
    public long time;  // ms
    public long amount;
}
