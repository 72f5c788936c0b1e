/**
 * Returns a string with one character for each byte of a text in UTF-8. Node writes it in one piece with the
 * headers of a response, faster than bytes. Most texts are ASCII, which is the same in both.
 */
export const toByteString = (text: string): string =>
  Buffer.byteLength(text) === text.length ? text : Buffer.from(text).toString('latin1');
