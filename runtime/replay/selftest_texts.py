"""The text that a self-test reads: ours, plain and long enough for every length that it cuts from it."""

TEXT = """The clerk of the court writes down what was said, and nothing counts until the clerk has written it. Every
morning the doors open at eight. People come with letters, with questions, and sometimes with a child by the hand. A
woman asks when her permit will be ready. A man wants to know why his request was refused, and which office will hear
him. The clerk takes a number, looks into the book, and reads aloud what stands there: the day, the name of the
office, the reason that was given, and the signature below it. Nobody has to believe the clerk. The book lies open,
its pages are counted, and each page carries the seal of the page before, so that no leaf can be taken out at night
and no line can be added later without anyone seeing it. In the afternoon a judge visits the office. She chooses three
entries by lot, asks for the papers that belong to them, and does the sums again. The first is a subsidy for a roof,
the second a place in a nursery, the third a fine for a bicycle left on the pavement. If her sums agree with the book
to the last cent, she signs the margin. If they do not, she writes down where they first differ, and by how much, and
the office has two weeks to answer. Some days nothing happens at all, and then the clerk writes that nothing happened,
because an empty page might as well be a page that was torn out. When the evening comes the book is closed, and a copy
goes to the town across the river, where another clerk, who has never met the first, compares the seals and keeps the
copy under lock. Years later a stranger may come and ask what was decided on a certain day. The answer takes a minute.
The page is found, the seal is checked against the copy, the sums are done once more, and the stranger walks home with
a paper in hand that says what was known, what was weighed, who answered for it, and where to complain. That is all
that the office promises, and it is enough. A rule that nobody can check is a rumour, a number that nobody can repeat
is an opinion, and a record that can be changed in silence is no record. So the clerk sharpens the pencil, counts the
pages once again, and turns the lamp down. Outside it rains on the square, the last tram rings its bell, and in the
window of the office the light goes out at ten minutes past six, as it was written, as it will be written tomorrow,
and as anyone who wishes may come to see. On the next day there are two hundred letters. The youngest assistant opens
them with a wooden knife, sorts them by street, and puts those that speak of illness on top, since these should never
wait. Each letter is given a number, and the number is read aloud, so that it can neither be used twice nor skipped.
Before noon all of them have been answered or passed on, and for every one of them the book says which of the two it
was, at what hour, and upon whose word."""
