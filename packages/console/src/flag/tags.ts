/** Returns the tags of a text that has commas between them. */
export const parseTags = (text: string): string[] => [
  ...new Set(
    text
      .split(',')
      .map(tag => tag.trim())
      .filter(tag => tag !== ''),
  ),
];
