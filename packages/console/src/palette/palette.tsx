import { CommandPalette } from './command-palette.tsx';
import { ShortcutHelp } from './shortcut-help.tsx';
import type { ShortcutDialog } from './use-shortcuts.ts';

type PaletteProps = {
  /** The dialog that is open. */
  readonly dialog: ShortcutDialog | undefined;
  readonly onClose: () => void;
};

/** The dialogs that shortcuts open. */
export const Palette = ({ dialog, onClose }: PaletteProps) => (
  <>
    <CommandPalette isOpen={dialog === 'palette'} onClose={onClose} />
    <ShortcutHelp isOpen={dialog === 'help'} onClose={onClose} />
  </>
);
