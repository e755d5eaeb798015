import { describe } from 'vitest';
import { backedUpAndRestored } from './federation/backup.ts';

describe('a federation that is backed up and restored', () => backedUpAndRestored([]));
