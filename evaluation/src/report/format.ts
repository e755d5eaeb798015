/** Numbers as both languages write them, on one line with their units; what is not finite is a dash. */
function decimals(value: number, digits: number): string {
  if (!Number.isFinite(value)) return '—';
  const rounded = Number(value.toFixed(digits));
  return Math.abs(rounded)
    .toLocaleString('en', { maximumFractionDigits: digits })
    .replace(/^/, rounded < 0 ? '−' : '');
}

/** Three figures, no more. */
export function short(value: number): string {
  const size = Math.abs(value);
  return decimals(value, size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

export function milliseconds(value: number): string {
  return `${short(value)}\u00a0ms`;
}

/** Of 0..100. */
export function percent(value: number): string {
  return `${decimals(value, 1)}\u00a0%`;
}

export function signedPercent(value: number): string {
  return `${value > 0 ? '+' : ''}${percent(value)}`;
}

export function count(value: number): string {
  return decimals(value, 0);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** In powers of a thousand. */
export function bytes(value: number): string {
  const power = value >= 1 ? Math.min(UNITS.length - 1, Math.floor(Math.log10(value) / 3)) : 0;
  return `${short(value / 1000 ** power)}\u00a0${UNITS[power]}`;
}
