import { ClientError } from './client-error.ts';

const MAX_EVENT_CHARACTERS = 1024 * 1024;

/**
 * The data of every event of one name in a stream of server-sent events (WHATWG HTML §9.2). Ends with the stream, or
 * when nothing at all came for `idleMs`.
 * @throws REPLY_TOO_LARGE REPLY_MALFORMED
 */
export async function* readEvents(
  stream: ReadableStream<Uint8Array>,
  name: string,
  idleMs: number,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const reader = stream.getReader();
  let buffer = '';
  try {
    for (;;) {
      const chunk = await withinIdle(reader.read(), idleMs);
      if (chunk === undefined || chunk.done) return;
      buffer += decode(decoder, chunk.value);
      const blocks = buffer.split(/\r\n\r\n|\n\n|\r\r/);
      buffer = blocks.pop() ?? '';
      if (buffer.length > MAX_EVENT_CHARACTERS) throw new ClientError('REPLY_TOO_LARGE', 'an event is too long');
      for (const block of blocks) {
        const event = readEvent(block);
        if (event.name === name && event.data !== undefined) yield event.data;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function readEvent(block: string): { name: string; data: string | undefined } {
  let name = 'message';
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, field, value = ''] = /^([^:]+)(?:: ?(.*))?$/.exec(line) ?? [];
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
  }
  return { name, data: data.length === 0 ? undefined : data.join('\n') };
}

async function withinIdle<T>(read: Promise<T>, idleMs: number): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), idleMs);
  try {
    return await Promise.race([read, promise]);
  } finally {
    clearTimeout(timer);
  }
}

function decode(decoder: Pick<InstanceType<typeof TextDecoder>, 'decode'>, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes, { stream: true });
  } catch (cause) {
    throw new ClientError('REPLY_MALFORMED', 'the events are not UTF-8', { cause });
  }
}
