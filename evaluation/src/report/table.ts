import { html, type Markup, type Part } from './markup.ts';

export interface Column {
  readonly label: Part;
  /** Aligned to the right. */
  readonly number: boolean;
}

export const words = (label: Part): Column => ({ label, number: false });
export const numbers = (label: Part): Column => ({ label, number: true });

/** Rows under a header, scrolling sideways by themselves where the page is narrow. */
export function table(columns: readonly Column[], rows: readonly (readonly Part[])[]): Markup {
  const cell = (index: number) => (columns[index]?.number ? 'number' : 'words');
  return html`<div class="scroll" tabindex="0"><table><thead><tr>${columns.map(({ label }, index) => html`<th scope="col" class="${cell(index)}">${label}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((value, index) => html`<td class="${cell(index)}">${value}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** A table of which only the first rows are open. */
export function longTable(
  columns: readonly Column[],
  rows: readonly (readonly Part[])[],
  { shown, summary }: { readonly shown: number; readonly summary: Part },
): Markup {
  const rest = rows.slice(shown);
  const first = shown === 0 ? undefined : table(columns, rows.slice(0, shown));
  if (rest.length === 0) return html`${first}`;
  return html`${first}<details><summary>${summary} (${rest.length})</summary>${table(columns, rest)}</details>`;
}
