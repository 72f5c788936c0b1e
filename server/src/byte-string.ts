/**
 * Returns a string with one character for each byte of a text in UTF-8. Node writes it in one piece with the
 * headers of a response, faster than bytes. Most texts are ASCII, which is the same in both.
 */
export const toByteString = (text: string): string =>
  Buffer.byteLength(text) === text.length ? text : Buffer.from(text).toString('latin1');

/**
 * Returns a copy of a string of bytes. A string that was joined refers to its pieces, which take more memory, and more
 * time whenever it is written.
 */
export const inOnePiece = (bytes: string): string =>
  Buffer.from(bytes, 'latin1').toString('latin1');

/** Returns the text of a string of bytes. */
export const fromByteString = (bytes: string): string => Buffer.from(bytes, 'latin1').toString();
