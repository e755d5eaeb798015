import { PreError } from './pre-error.ts';

/** Anything bytes are pulled from, piece by piece, in pieces of any size. */
export type ByteIterable = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Pulls a stream piece by piece and hands out blocks of the size asked for; holds one piece at a time. */
export class ByteSource {
  readonly #pieces: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #piece = new Uint8Array();
  #ended = false;
  #pulled = 0;

  constructor(source: ByteIterable) {
    this.#pieces = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** Bytes the stream has given so far, handed out or not. */
  get pulled(): number {
    return this.#pulled;
  }

  /**
   * The next `room.length` bytes, fewer only at the end of the stream. They are a view of the piece when it holds more than
   * them, and are copied into `room` otherwise: a source may use its buffer again once it is asked for more.
   */
  async block(room: Uint8Array): Promise<Uint8Array> {
    let filled = 0;
    while (filled < room.length) {
      if (this.#piece.length === 0 && (await this.atEnd())) break;
      if (filled === 0 && this.#piece.length > room.length) return this.#take(room.length);
      const part = this.#take(room.length - filled);
      room.set(part, filled);
      filled += part.length;
    }
    return room.subarray(0, filled);
  }

  /** Whether no byte is left; may pull the next piece to find out. */
  async atEnd(): Promise<boolean> {
    while (this.#piece.length === 0 && !this.#ended) {
      // A source that throws is over, and must not be asked to return.
      this.#ended = true;
      const next = await this.#pieces.next();
      this.#ended = next.done === true;
      if (next.done !== true) {
        if (!(next.value instanceof Uint8Array)) throw new PreError('ARGUMENT_INVALID', 'a stream of bytes expected');
        this.#piece = next.value as Uint8Array<ArrayBuffer>;
        this.#pulled += next.value.length;
      }
    }
    return this.#piece.length === 0;
  }

  /** Lets the stream release what it holds, unless it already ended. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#pieces.return?.();
  }

  #take(length: number): Uint8Array {
    const part = this.#piece.subarray(0, length);
    this.#piece = this.#piece.subarray(part.length);
    return part;
  }
}
