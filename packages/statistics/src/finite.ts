/** Returns null if there is no such number: results contain neither NaN nor an infinity. */
export const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
