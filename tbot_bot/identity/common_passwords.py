"""Passwords that are tried first, and the words most often found before a number or a sign."""

from __future__ import annotations

import string

_WORDS = """
password passwort passw passwd pass passphrase passme mypass mypassword newpassword oldpassword thepassword
wachtwoord motdepasse contrasena contrasenya senha parola haslo heslo salasana adgangskode losenord lozinka changeme
changeit changethis change default defaultpassword secret topsecret mysecret letmein letmeinnow openup opensesame
sesame access accessgranted welcome welcomeback welcomehome hello hellohello helloworld hellothere admin
administrator adminadmin adminpass administrador root rootroot rootpass toor superuser sysadmin supervisor manager
operator auditor viewer user useruser username guest guestguest test testtest testing tester testuser temp temporary
temppass demo demodemo sample example login loginlogin logon signin master masterkey masterpass server database
oracle mysql postgres postgresql sqlserver windows linux ubuntu debian fedora android apple iphone samsung google
gmail facebook instagram twitter youtube netflix amazon microsoft hotmail yahoo internet computer laptop keyboard
monitor network wireless router modem system support service security secure private qwerty qwertyuiop qwertyui
qwertyu qwert qwerqwer qwertz qwertzuiop azerty azertyuiop asdf asdfasdf asdfgh asdfghjk asdfghjkl zxcv zxcvbn
zxcvbnm zxczxc qazwsx qazwsxedc qweasd qweasdzxc qweqwe asdasd zaqwsx wsxedc poiuytrewq lkjhgfdsa mnbvcxz poiuyt
qawsedrf 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc zaq12wsx q1w2e3r4 q1w2e3r4t5 q2w3e4r5 a1b2c3d4
a1s2d3f4 abcd1234 1234abcd abc12345 12345abc 123qweasd qwe123qwe abc abcd abcde abcdef abcdefg abcdefgh abcdefghi
abcdefghij abcabc aabbcc aaaa aaaaaa aaaaaaaa bbbbbbbb xxxxxxxx zzzzzzzz qqqqqqqq 12345678 123456789 1234567890
123456780 01234567 012345678 0123456789 87654321 987654321 9876543210 0987654321 11111111 111111111 1111111111
22222222 33333333 44444444 55555555 66666666 77777777 88888888 99999999 00000000 000000000 0000000000 12341234
123123123 12121212 10101010 11223344 1122334455 112233445566 44332211 12344321 13579246 24682468 13131313 69696969
12312312 31415926 314159265 27182818 14142135 147258369 963852741 159753456 741852963 789456123 123654789 147852369
19841984 20002000 12345679 11112222 22221111 99998888 01010101 iloveyou iloveu iloveme iloveyouso ilovehim iloveher
lovelove loveyou loveme lovely love lover loveu forever sweetheart sweetie darling honey honeybee babygirl babyboy
baby angel angels princess prince queen king sunshine sunflower sunrise sunset moonlight starlight rainbow butterfly
flower flowers rose roses lily daisy dragon dragons monkey monkeys tiger tigers lion lions eagle eagles falcon
panther jaguar leopard cougar wolf wolves bear bears dolphin dolphins shark horse horses pony puppy kitty kitten
rabbit bunny turtle spider snake chicken elephant unicorn phoenix griffin football soccer baseball basketball hockey
tennis golf golfer cricket rugby volleyball swimming running runner superman batman spiderman ironman wonderwoman
superhero hero heroes ninja samurai warrior wizard merlin gandalf starwars startrek skywalker jedi matrix pokemon
pikachu naruto minecraft fortnite nintendo playstation xbox michael michelle jennifer jessica jordan joshua matthew
andrew daniel david robert richard thomas william charlie ashley amanda nicole samantha stephanie elizabeth victoria
alexander alexandra christopher benjamin anthony george harry henry jack james john peter paul martin maria anna
laura sarah summer winter spring autumn january february march april june july august september october november
december monday tuesday wednesday thursday friday saturday sunday weekend holiday vacation birthday christmas easter
london paris berlin madrid rome vienna moscow tokyo newyork chicago boston dallas houston denver seattle california
florida texas america england france germany australia canada brazil mexico india china japan mustang ferrari
porsche corvette camaro mercedes toyota honda yamaha harley kawasaki suzuki nissan chevrolet cheese cookie cookies
chocolate banana orange apples cherry strawberry peanut pepper ginger coffee whiskey purple yellow silver golden
black white green blue diamond crystal emerald sapphire freedom liberty trustno trustnoone whatever nothing
something everything anything nobody somebody jesus jesuschrist jesussaves godisgood godislove blessed heaven faith
hope grace peace money moneymoney cash dollar dollars euro rich richman millionaire billionaire lucky luckyme winner
jackpot trade trader trading tradebot tradingbot bitcoin crypto ethereum stocks stockmarket market broker brokerage
invest investor investing investment finance financial wallstreet bullmarket bearmarket bullish bearish profit
portfolio hedgefund dividend robot robots bot guitar music musica metallica nirvana beatles rockstar rocknroll
drummer piano fuckyou fuckoff asshole bullshit biteme bitch killer death devil demon satan evil hacker hacked hackme
computer1 blink maverick ranger hunter shadow midnight thunder lightning storm hurricane tornado fire ice
"""
_COMMON = frozenset(_WORDS.split())
_PADDING = string.digits + string.punctuation + " "
_LOOKALIKES = str.maketrans("@4301$5!7", "aaeolssit")


def is_common(password: str) -> bool:
    """Whether the list holds the password: as it is, without what pads its end, or with look-alikes read as letters."""
    folded = password.casefold()
    unpadded = folded.rstrip(_PADDING)
    forms = {folded, unpadded, folded.translate(_LOOKALIKES), unpadded.translate(_LOOKALIKES)}
    return not _COMMON.isdisjoint(forms)
