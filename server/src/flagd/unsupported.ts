/** Thrown if a flag has something that flagd, or Pennon, cannot express. The message is the reason. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
}

/** Returns what `compute` returns, or why it cannot be expressed. */
export const attempt = <Result>(compute: () => Result): Result | Unsupported => {
  try {
    return compute();
  } catch (error) {
    if (error instanceof Unsupported) return error;
    throw error;
  }
};
