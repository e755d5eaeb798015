/** Where a verified record goes. Nobody may look at it before `commit`. */
export interface Sink {
  write(bytes: Uint8Array): Promise<void> | void;
  /** The record is whole and verified. */
  commit(): Promise<void> | void;
  /** Something did not hold: what was written must go. */
  abort(reason: unknown): Promise<void> | void;
}

/** Reads a record to its end into a sink, which learns at once whether it holds. Throws what the record threw. */
export async function openToSink(
  record: AsyncIterable<Uint8Array>,
  sink: Sink,
): Promise<{ readonly sizeBytes: number }> {
  let sizeBytes = 0;
  try {
    for await (const piece of record) {
      await sink.write(piece);
      sizeBytes += piece.length;
    }
    await sink.commit();
  } catch (error) {
    await sink.abort(error);
    throw error;
  }
  return { sizeBytes };
}
