/** What a running federation leaves in its state folder for other terminals. */
export interface Running {
  readonly pid: number;
  readonly state: 'starting' | 'ready' | 'failed';
  readonly step: string;
  readonly failure?: { readonly code: string; readonly message: string };
  readonly engines: Readonly<Record<string, string>>;
  readonly processes: readonly { readonly name: string; readonly pid: number; readonly restarts: number }[];
}

export const RUNNING_FILE = 'running.json';
