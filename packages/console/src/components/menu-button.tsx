import { Suspense, useState, useTransition, type KeyboardEvent, type ReactNode } from 'react';

import type { MenuChoice, TriggerProps } from './menu.tsx';
import { lazyPart } from './part.tsx';

type FirstOpeningProps = {
  readonly trigger: TriggerProps;
  /** The menu, which is open at first, with a button like this one. */
  readonly menu: ReactNode;
};

const OPENING_KEYS = new Set(['ArrowDown', 'ArrowUp']);

/** The button of a menu. The menu is loaded when it is first opened, and takes the place of the button then. */
export const FirstOpening = ({ trigger, menu }: FirstOpeningProps) => {
  const [isOpened, setIsOpened] = useState(false);
  // The button stays in its place until the menu has been loaded.
  const [isLoading, startTransition] = useTransition();
  const open = (): void => startTransition(() => setIsOpened(true));
  const press = (event: KeyboardEvent): void => {
    if (!OPENING_KEYS.has(event.key)) return;
    event.preventDefault();
    open();
  };
  return (
    <Suspense>
      {isOpened ? (
        menu
      ) : (
        <button
          type="button"
          className={trigger.className}
          aria-label={trigger.label}
          aria-haspopup="menu"
          aria-expanded="false"
          aria-busy={isLoading}
          onClick={open}
          onKeyDown={press}
        >
          {trigger.children}
        </button>
      )}
    </Suspense>
  );
};

const ChoiceMenu = lazyPart(async () => (await import('./menu.tsx')).ChoiceMenu);

type MenuButtonProps = TriggerProps & {
  readonly align?: 'start' | 'center' | 'end';
  readonly choices: readonly MenuChoice[];
};

/** A button that opens a menu of choices. */
export const MenuButton = ({ align, choices, ...trigger }: MenuButtonProps) => (
  <FirstOpening
    trigger={trigger}
    menu={<ChoiceMenu trigger={trigger} align={align} choices={choices} />}
  />
);
