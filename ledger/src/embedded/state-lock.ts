type Release = () => void;

/**
 * Many simulations or one commit: nothing is committed between two reads of one simulation. First come, first served, so
 * neither side starves the other.
 */
export class StateLock {
  #readers = 0;
  #writing = false;
  readonly #waiting: { readonly write: boolean; readonly enter: () => void }[] = [];

  /** Resolves to the function that leaves again. */
  read(): Promise<Release> {
    return this.#enter(false);
  }

  write(): Promise<Release> {
    return this.#enter(true);
  }

  #enter(write: boolean): Promise<Release> {
    return new Promise((resolve) => {
      this.#waiting.push({
        write,
        enter: () => {
          if (write) this.#writing = true;
          else this.#readers += 1;
          let left = false;
          resolve(() => {
            if (left) return;
            left = true;
            if (write) this.#writing = false;
            else this.#readers -= 1;
            this.#admit();
          });
        },
      });
      this.#admit();
    });
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#writing || (next.write && this.#readers > 0)) return;
      this.#waiting.shift();
      next.enter();
    }
  }
}
