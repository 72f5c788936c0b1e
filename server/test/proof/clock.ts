import { readFileSync } from 'node:fs';

/**
 * Loaded before a server of a proof: its time of day is what a file has. So minutes of events are sent in seconds, and
 * no event is moved by the time that its request takes.
 */
const file = process.env['PROOF_CLOCK'] ?? '';
Date.now = () => Number(readFileSync(file, 'utf8'));
