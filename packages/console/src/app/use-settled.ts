import { useEffect, useState } from 'react';

/** So long nothing is typed, or scrolled. */
const DELAY_MS = 250;

/** Returns the value once it has not changed for a moment. */
export const useSettled = <Value>(value: Value): Value => {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), DELAY_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
};
